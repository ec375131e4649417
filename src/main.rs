//! The command line of `lavr`.

use std::process::ExitCode;

fn main() -> ExitCode {
    lavr::cli::run()
}
