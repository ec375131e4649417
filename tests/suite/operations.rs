//! The operations: plain code over images, regions, lines and numbers.

mod receipts;
