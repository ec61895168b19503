//! Settlement's acts, one file each.

pub mod make_contract;
pub mod make_statement;

use contracts::log::AccountingZone;
use pg::Db;

/// What every act needs.
pub struct Settlement {
    pub(crate) db: Db,
    pub(crate) zone: AccountingZone,
}
