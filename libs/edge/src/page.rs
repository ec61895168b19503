//! How many rows one answer of a list holds.

use crate::problem::Problem;
use std::fmt::Display;

/// How many rows a page has: what was asked for if it is from 1 to `max`, and `usual` where nothing was asked for.
///
/// # Errors
/// 422 `limit-out-of-range`, with the field.
pub fn page_len<T>(asked: Option<T>, usual: T, max: T) -> Result<T, Problem>
where
    T: Copy + Display + PartialOrd + From<u8>,
{
    let limit = asked.unwrap_or(usual);
    if (T::from(1)..=max).contains(&limit) {
        return Ok(limit);
    }
    Err(Problem::rejected("limit-out-of-range", format!("limit is from 1 to {max}.")).with("field", "limit"))
}
