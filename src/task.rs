//! Tasks: one question with its images.

use crate::budget::Budget;
use crate::error::{Error, Result};
use crate::image::Image;

/// One question with its images and limits.
#[derive(Debug, Clone)]
pub struct Task {
    /// What is asked.
    pub question: String,
    /// The images, in order: `$image`, `$image2` ...
    pub images: Vec<Image>,
    /// The limits of the run.
    pub budget: Budget,
}

impl Task {
    /// Longest question, in characters.
    pub const MAX_QUESTION: usize = 4_000;

    /// A task with the default budget.
    pub fn new(question: impl Into<String>, images: Vec<Image>) -> Self {
        Self { question: question.into(), images, budget: Budget::default() }
    }

    /// Sets the limits.
    #[must_use]
    pub fn with_budget(mut self, budget: Budget) -> Self {
        self.budget = budget;
        self
    }

    /// Checks that the question is there and not too long.
    ///
    /// # Errors
    /// `InvalidInput`, saying which.
    pub fn validate(&self) -> Result<()> {
        if self.question.trim().is_empty() {
            return Err(Error::invalid("the question is empty; ask something about the image"));
        }
        let length = self.question.chars().count();
        if length > Self::MAX_QUESTION {
            return Err(Error::invalid(format!(
                "the question has {length} characters, more than {}; shorten it",
                Self::MAX_QUESTION
            )));
        }
        Ok(())
    }
}

/// The name by which a plan refers to the n-th image (from 0): `image`, `image2`, `image3` ...
pub fn image_name(n: usize) -> String {
    if n == 0 { "image".to_owned() } else { format!("image{}", n + 1) }
}
