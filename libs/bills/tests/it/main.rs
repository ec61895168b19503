//! What every format's reader gives, refuses and proves; and that nothing breaks it.

mod alipay;
mod at_hand;
mod camt;
mod damage;
mod limits;
mod mt940;
mod profile;
mod refusals;
mod rig;
mod sandbox;
mod stripe;
mod wechat;
mod workbook;
