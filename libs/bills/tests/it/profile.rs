//! Saved column profiles: any other table, by names that a person chose once.

use crate::rig::{all_told, altered, by, read_with, refused_with, sample};
use bills::{
    AmountColumns, BillError, ColumnProfile, Columns, DateStyle, Decimals, Format, KindWord, PROFILE_VERSION,
    Proof, TableEncoding,
};

pub fn bank_profile() -> ColumnProfile {
    ColumnProfile {
        version: PROFILE_VERSION,
        name: "house bank".to_owned(),
        encoding: TableEncoding::Utf8,
        delimiter: ';',
        sheet: None,
        skip_rows: 1,
        columns: Columns {
            at: "Booked".to_owned(),
            channel_ref: "Reference".to_owned(),
            amount: AmountColumns::InAndOut { money_in: "Credit".to_owned(), money_out: "Debit".to_owned() },
            our_ref: None,
            about_ref: None,
            kind: Some("Text".to_owned()),
            status: None,
            fee: None,
            currency: None,
            account: None,
            balance: Some("Balance".to_owned()),
        },
        dates: DateStyle { format: "%d.%m.%Y".to_owned(), offset: "+01:00".to_owned() },
        decimals: Decimals { point: ',', grouping: Some('.'), strip: String::new() },
        currency: Some("EUR".to_owned()),
        account: Some("DE-1".to_owned()),
        kinds: vec![
            KindWord { word: "fee".to_owned(), kind: "fee".to_owned() },
            KindWord { word: "payout".to_owned(), kind: "payout".to_owned() },
        ],
        footer: Some("Total".to_owned()),
    }
}

#[test]
fn a_table_is_read_by_its_profile() {
    let (bill, rows) = read_with(&by(bank_profile()), &sample("bank.csv")).expect("a good table");
    assert_eq!(bill.format.label(), "profile");
    assert_eq!(bill.accounts, ["DE-1"]);
    assert_eq!(
        all_told(&rows),
        [
            "4 coins; of the day 123456 0 EUR 2019-07-25 B-1 - - - 223456",
            "5 fee 44 0 EUR 2019-07-26 B-2 - - - 223500",
            "6 payout -100000 0 EUR 2019-07-27 B-3 - - - 123500",
        ]
    );
    assert!(bill.proofs.contains(&Proof::RunningBalance));
}

#[test]
fn one_signed_column_gbk_and_other_dates_are_read_too() {
    let mut profile = bank_profile();
    profile.encoding = TableEncoding::Gbk;
    profile.delimiter = ',';
    profile.skip_rows = 0;
    profile.columns = Columns {
        at: "时间".to_owned(),
        channel_ref: "流水号".to_owned(),
        amount: AmountColumns::OutPositive { column: "金额（元）".to_owned() },
        our_ref: Some("订单".to_owned()),
        about_ref: None,
        kind: None,
        status: None,
        fee: Some("手续费".to_owned()),
        currency: Some("币种".to_owned()),
        account: None,
        balance: None,
    };
    profile.currency = None;
    profile.kinds = Vec::new();
    profile.footer = None;
    profile.dates = DateStyle { format: "%Y/%m/%d %H:%M".to_owned(), offset: "+08:00".to_owned() };
    profile.decimals = Decimals { point: '.', grouping: Some(','), strip: "￥ ".to_owned() };
    let table = "时间,流水号,金额（元）,订单,手续费,币种\n\
                 2026/10/01 08:05,F-1,\"￥ 1,000.50\",O-1,0.00006,CNY\n\
                 2026/10/01 08:06,F-2,-3,,,JPY\n";
    let bytes = encoding_rs::GBK.encode(table).0.into_owned();
    let (bill, rows) = read_with(&by(profile), &bytes).expect("a good table");
    assert_eq!(
        all_told(&rows),
        [
            "2 debit -100050 6000 CNY 2026-10-01T08:05:00+28800 F-1 O-1 - - -",
            "3 credit 3 0 JPY 2026-10-01T08:06:00+28800 F-2 - - - -",
        ]
    );
    assert_eq!(bill.totals.len(), 2, "sums are kept per currency");
    assert!(matches!(bill.format, Format::Profile(_)));
}

#[test]
fn broken_tables_are_refused_with_line_column_and_name() {
    let cases = [
        ("1.234,56;2.234,56", "1.234,567;2.234,56", "line 4, column 5: Credit has more decimals"),
        ("25.07.2019", "2019-07-25", "line 4, column 1: Booked is not a time"),
        ("2.235,00", "2.235,01", "the balance is stated as 223501 at line 5, column 6"),
        ("1.000,00;;1.235,00", "1.000,00;5,00;1.235,00", "line 6, column 4: Debit contradicts"),
        ("1.000,00;;1.235,00", "1.000,00;1.235,00", "line 6, column 6: the row has another number of fields"),
        ("Reference", "Ref", "the header with all columns of the profile is missing"),
        ("\nTotal;", "\n", "line 7"),
    ];
    for (from, to, expected) in cases {
        let error = refused_with(&by(bank_profile()), &altered("bank.csv", from, to)).to_string();
        assert!(error.contains(expected), "{from} -> {to}: {error}");
    }
    let without_footer = altered("bank.csv", "Total;;;1.000,00;1.235,00;\n", "");
    assert_eq!(refused_with(&by(bank_profile()), &without_footer).code(), "bill-truncated");
}

#[test]
fn profiles_are_saved_as_toml_and_json_and_read_back_equal() {
    let profile = bank_profile();
    let toml = toml::to_string(&profile).expect("serialises");
    assert_eq!(toml::from_str::<ColumnProfile>(&toml).expect("reads back"), profile);
    let json = serde_json::to_string(&profile).expect("serialises");
    assert_eq!(serde_json::from_str::<ColumnProfile>(&json).expect("reads back"), profile);
    let misspelt = toml.replace("footer", "fotter");
    assert!(toml::from_str::<ColumnProfile>(&misspelt).is_err(), "an unknown key is refused");
}

#[test]
fn profiles_that_contradict_themselves_are_refused_before_a_file_is_read() {
    let broken: [fn(&mut ColumnProfile); 12] = [
        |profile| profile.version = 2,
        |profile| profile.delimiter = 'x',
        |profile| {
            profile.delimiter = '|';
            profile.encoding = TableEncoding::Gbk;
        },
        |profile| profile.dates.offset = "CET".to_owned(),
        |profile| profile.dates.format = "%d.%m".to_owned(),
        |profile| profile.dates.format = "%Q".to_owned(),
        |profile| profile.decimals.grouping = Some(','),
        |profile| profile.decimals.strip = "0".to_owned(),
        |profile| profile.currency = Some("EURO".to_owned()),
        |profile| profile.currency = None,
        |profile| profile.kinds[0].kind = "bribe".to_owned(),
        |profile| profile.columns.at = " ".to_owned(),
    ];
    for (index, alter) in broken.iter().enumerate() {
        let mut profile = bank_profile();
        alter(&mut profile);
        let error = refused_with(&by(profile), &sample("bank.csv"));
        assert!(matches!(error, BillError::Profile { .. }), "case {index}: {error}");
    }
}
