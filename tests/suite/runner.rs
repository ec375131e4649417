//! The ONNX Runtime worker: what callers see of a model that fails, is stopped, or is missing.

use std::time::{Duration, Instant};

use lavr::budget::Budget;
use lavr::cx::Cx;
use lavr::error::{Error, ErrorKind};
use lavr::runner::{LazyFile, OrtModel, OrtRuntime, Runner, Tensor};
use lavr::tool::NANODET;
use ndarray::ArrayD;
use tokio_util::sync::CancellationToken;

use crate::experts::{cx, runtime};
use crate::real::model_file;

fn zeros(shape: &[usize]) -> Tensor {
    Tensor::F32(ArrayD::zeros(shape))
}

#[tokio::test]
async fn errors_name_the_model_and_the_shapes_of_its_inputs() {
    let Some(runtime) = runtime() else { return println!("skipped: LAVR_HOME has no ONNX Runtime") };
    let runner = runtime.runner("nanodet", OrtModel::Bytes(NANODET));
    let wrong = runner.run(&cx(), vec![("input_1:0".into(), zeros(&[1, 4, 5, 7]))]).await.expect_err("a wrong shape");
    assert_eq!(wrong.kind(), ErrorKind::Model);
    let text = wrong.to_string();
    assert!(text.contains("nanodet") && text.contains("`input_1:0` f32[1, 4, 5, 7]"), "{text}");
    let unknown =
        runner.run(&cx(), vec![("picture".into(), zeros(&[1, 3, 416, 416]))]).await.expect_err("no such input");
    assert!(unknown.to_string().contains("picture"), "{unknown}");
    // The worker lives on.
    let outputs = runner.run(&cx(), vec![("input_1:0".into(), zeros(&[1, 3, 416, 416]))]).await.expect("outputs");
    assert_eq!(outputs.len(), 6);
}

#[tokio::test]
async fn a_missing_model_is_looked_for_again() {
    let Some(runtime) = runtime() else { return println!("skipped: LAVR_HOME has no ONNX Runtime") };
    let asked = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let count = asked.clone();
    let file = LazyFile::new(move || {
        count.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        async { Err(Error::new(ErrorKind::Offline, "it is not here")) }
    });
    let runner = runtime.runner("absent", OrtModel::File(file));
    for _ in 0..2 {
        let error = runner.load().await.expect_err("it is missing");
        assert_eq!((error.kind(), error.to_string().as_str()), (ErrorKind::Offline, "model `absent`: it is not here"));
    }
    assert_eq!(asked.load(std::sync::atomic::Ordering::SeqCst), 2);
    let bytes = runtime.runner("noise", OrtModel::Bytes(b"this is no model"));
    assert_eq!(bytes.load().await.expect_err("it is no model").kind(), ErrorKind::Model);
}

#[tokio::test]
async fn metadata_is_the_models_own() {
    let (Some(runtime), recogniser) = (runtime(), model_file("PP-OCRv6_rec_small.onnx")) else {
        return println!("skipped: LAVR_HOME has no models");
    };
    let runner = runtime.runner("text-recogniser", OrtModel::File(LazyFile::at(recogniser)));
    let characters = runner.metadata("character").await.expect("metadata").expect("characters");
    assert_eq!(characters.split('\n').count(), 18708);
    assert_eq!(runner.metadata("nonsense").await.expect("metadata"), None);
}

#[tokio::test]
async fn a_stopped_run_stops_the_computation() {
    let (Some(runtime), detector) = (runtime(), model_file("PP-OCRv6_det_small.onnx")) else {
        return println!("skipped: LAVR_HOME has no models");
    };
    let runner = runtime.runner("text-detector", OrtModel::File(LazyFile::at(detector)));
    runner.load().await.expect("the model loads");
    let input = || vec![("x".to_owned(), zeros(&[1, 3, 1280, 1280]))];
    let start = Instant::now();
    runner.run(&cx(), input()).await.expect("a run");
    let whole = start.elapsed();

    let cancel = CancellationToken::new();
    let run = Cx::with(Budget::default(), cancel.clone(), Vec::new());
    let stop = async {
        tokio::time::sleep(Duration::from_millis(20)).await;
        cancel.cancel();
    };
    let start = Instant::now();
    let (error, ()) = tokio::join!(runner.run(&run, input()), stop);
    assert_eq!(error.expect_err("it was stopped").kind(), ErrorKind::Cancelled);
    // The worker is free again long before the computation would have ended.
    runner.metadata("character").await.expect("metadata");
    assert!(start.elapsed() < whole / 2 + Duration::from_millis(100), "{:?} of {whole:?}", start.elapsed());
}

#[tokio::test]
async fn a_library_that_is_missing_is_an_error() {
    // Loading happens once per process: with nextest this process has not loaded it yet.
    let runtime = OrtRuntime::new(LazyFile::at("/nonexistent/libonnxruntime.so"));
    let loaded = runtime.runner("nanodet", OrtModel::Bytes(NANODET)).load().await;
    if let Err(error) = loaded {
        assert_eq!(error.kind(), ErrorKind::NotFound);
        assert!(error.to_string().contains("/nonexistent/libonnxruntime.so"), "{error}");
    }
}

/// In a child process: opens sessions in threads, and ends the process in the middle of it.
const ENDS_EARLY: &str = "LAVR_TEST_ENDS_EARLY";

#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_closes_its_runners_ends_well_while_sessions_are_opened() {
    let (Some(runtime), recogniser) = (runtime(), model_file("PP-OCRv6_rec_small.onnx")) else {
        return println!("skipped: LAVR_HOME has no models");
    };
    if let Ok(after) = std::env::var(ENDS_EARLY) {
        for n in 0..4 {
            let runner = runtime.runner(format!("{n}"), OrtModel::File(LazyFile::at(&recogniser)));
            tokio::spawn(async move { runner.load().await });
        }
        tokio::time::sleep(Duration::from_millis(after.parse().expect("milliseconds"))).await;
        lavr::runner::close(Duration::from_secs(60));
        std::process::exit(0);
    }
    let this = "runner::a_process_that_closes_its_runners_ends_well_while_sessions_are_opened";
    for after in (0..16).map(|n| n * 15) {
        let mut child = tokio::process::Command::new(std::env::current_exe().expect("this program"));
        let output = child.args(["--exact", this]).env(ENDS_EARLY, after.to_string()).output().await.expect("a child");
        assert_eq!(
            output.status.code(),
            Some(0),
            "ended after {after} ms: {}",
            String::from_utf8_lossy(&output.stderr)
        );
    }
}
