//! One module per page, and what they share: the frame, the session, and how things are drawn.

pub(crate) mod books;
pub(crate) mod dialogs;
pub(crate) mod finance;
pub(crate) mod frame;
pub(crate) mod gift_panel;
pub(crate) mod lobby;
pub(crate) mod me;
pub(crate) mod room;
