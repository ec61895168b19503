//! The wire: what rows and messages look like as JSON, pinned, and the document other consumers are written from.

mod asyncapi;
mod examples;
mod rows;
mod sheets;
