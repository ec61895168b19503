//! The elements of a statement that are read, by their local names.

/// Every name that some path is matched by.
const NAMES: [&str; 42] = [
    "AcctSvcrRef",
    "Acct",
    "Amt",
    "Bal",
    "BkToCstmrStmt",
    "BookgDt",
    "Cd",
    "CdOrPrtry",
    "CdtDbtInd",
    "Document",
    "Dt",
    "DtTm",
    "EndToEndId",
    "FrDtTm",
    "FrToDt",
    "IBAN",
    "Id",
    "NbOfNtries",
    "Ntry",
    "NtryDtls",
    "NtryRef",
    "Othr",
    "Refs",
    "RvslInd",
    "Stmt",
    "Sts",
    "Sum",
    "ToDtTm",
    "Tp",
    "TtlCdtNtries",
    "TtlDbtNtries",
    "TtlNtries",
    "TxDtls",
    "TxsSummry",
    "ValDt",
    "CdtLine",
    "RltdAcct",
    "Intrst",
    "GrpHdr",
    "Btch",
    "AmtDtls",
    "Chrgs",
];

/// The name itself, for as long as one likes; what no path needs is all the same.
pub(super) fn known(name: &str) -> &'static str {
    NAMES.iter().find(|known| **known == name).copied().unwrap_or("(other)")
}
