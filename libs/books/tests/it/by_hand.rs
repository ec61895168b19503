//! Books written by hand, in a database of their own.

use books::{BooksDb, Report, check};
use contracts::lane::Lane;
use sqlx::PgPool;

const CASHIER: &str = include_str!("../../../../migrations/cashier/0101_init.sql");
const MONEY_BACK: &str = include_str!("../../../../migrations/cashier/0110_money_back.sql");
const WALLET: &str = include_str!("../../../../migrations/wallet/0101_init.sql");
const CHANGES: &str = include_str!("../../../../migrations/wallet/0102_changes.sql");
const GIFT: &str = include_str!("../../../../migrations/gift/0101_init.sql");
const SETTLEMENT: &str = include_str!("../../../../migrations/settlement/0101_init.sql");
const CONTRACT_IMPORTS: &str = include_str!("../../../../migrations/settlement/0102_contract_imports.sql");
const STATEMENT_LINES: &str = include_str!("../../../../migrations/settlement/0103_statement_lines.sql");
const PAYOUTS: &str = include_str!("../../../../migrations/settlement/0104_payouts.sql");
const BOOK_DIGEST: &str = include_str!("../../../../migrations/settlement/0132_book_digest.sql");
const CLEARING: &str = include_str!("../../../../migrations/clearing/0101_init.sql");
const CLOSE: &str = include_str!("../../../../migrations/clearing/0120_close.sql");
const RULE_DAYS: &str = include_str!("../../../../migrations/clearing/0121_rule_days.sql");
const SUMS_BY_GROUP: &str = include_str!("../../../../migrations/clearing/0122_sums_by_group.sql");

const ADJUSTMENTS: &str = include_str!("../../../../migrations/clearing/0110_adjustments.sql");
const CHANNELS_POSTED: &str = include_str!("../../../../migrations/clearing/0124_channel_settlements.sql");
const RECON: &str = include_str!("../../../../migrations/recon/0101_init.sql");
const DESK: &str = include_str!("../../../../migrations/recon/0102_desk.sql");
const CHANNELS_PAID: &str = include_str!("../../../../migrations/recon/0109_channel_settlements.sql");

pub struct Books {
    pub pool: PgPool,
    database: testkit::TestDatabase,
}

impl Books {
    /// A database without any schema.
    pub async fn empty() -> Books {
        let database = testkit::postgres().await.fresh_database().await;
        Books { pool: database.pool().await, database }
    }

    /// One account's day, whole in every schema.
    pub async fn whole() -> Books {
        let books = Books::empty().await;
        for service in ["cashier", "wallet", "gift", "settlement", "clearing"] {
            books.migrate(service).await;
        }
        books.run(include_str!("books.sql")).await;
        books
    }

    pub async fn migrate(&self, service: &str) {
        let own = match service {
            "cashier" => pg::migrator(&[(101, "init", CASHIER), (110, "money_back", MONEY_BACK)]),
            "wallet" => pg::migrator(&[(101, "init", WALLET), (102, "changes", CHANGES)]),
            "gift" => pg::migrator(&[(101, "init", GIFT)]),
            "settlement" => pg::migrator(&[
                (101, "init", SETTLEMENT),
                (102, "contract_imports", CONTRACT_IMPORTS),
                (103, "statement_lines", STATEMENT_LINES),
                (104, "payouts", PAYOUTS),
                (132, "book_digest", BOOK_DIGEST),
            ]),
            "recon" => pg::migrator(&[
                (101, "init", RECON),
                (102, "desk", DESK),
                (109, "channel_settlements", CHANNELS_PAID),
            ]),
            _ => pg::migrator(&[
                (101, "init", CLEARING),
                (110, "adjustments", ADJUSTMENTS),
                (120, "close", CLOSE),
                (121, "rule_days", RULE_DAYS),
                (122, "sums_by_group", SUMS_BY_GROUP),
                (124, "channel_settlements", CHANNELS_POSTED),
            ]),
        };
        self.database.db(service, &Lane::Live, &[&seqlog::MIGRATOR, &own]).await;
    }

    pub async fn run(&self, sql: &'static str) {
        sqlx::raw_sql(sql).execute(&self.pool).await.expect("the statement runs");
    }

    pub fn source(&self) -> BooksDb {
        BooksDb::new(self.pool.clone(), &Lane::Live)
    }

    pub async fn check(&self) -> Report {
        check(&self.source()).await.expect("the books can be read")
    }

    /// The names of the invariants that do not hold.
    pub async fn failures(&self) -> Vec<String> {
        let report = self.check().await;
        let failed = report.invariants.iter().filter(|line| !line.passed);
        let names: Vec<String> = failed.map(|line| line.name.clone()).collect();
        assert_eq!(report.passed, names.is_empty());
        names
    }
}
