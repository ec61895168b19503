//! How much of a file is read before it is refused. Every ceiling has a name and a unit.

/// Ceilings of one import. What is past one is refused by its name; nothing is cut short in silence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of a file as it was handed in, and of what it unpacks to. The default is 16 GiB, about 40 million
    /// rows of a trade bill.
    pub file_bytes_max: u64,
    /// Bytes of one row of a table or one line of a text. The default is 64 KiB.
    pub row_bytes_max: usize,
    /// Rows of one file. The default is 50 million.
    pub rows_max: u64,
    /// Fields of one row. The default is 512.
    pub fields_max: usize,
    /// Members of a ZIP archive. The default is 64 (a workbook has about 20).
    pub members_max: usize,
    /// Unpacked bytes for each packed byte, above the first mebibyte. The default is 200; GBK tables pack to
    /// a twentieth, zeros to a thousandth.
    pub unpack_ratio_max: u64,
    /// Bytes of one document that must be held whole: an XML statement, or a workbook's texts. The default is
    /// 256 MiB.
    pub document_bytes_max: u64,
    /// Elements within elements of an XML document. The default is 64; a statement needs about 20.
    pub xml_depth_max: usize,
    /// Accounts, and payouts with their rows, that one file may name. The default is 100,000.
    pub names_max: usize,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            file_bytes_max: 16 << 30,
            row_bytes_max: 64 << 10,
            rows_max: 50_000_000,
            fields_max: 512,
            members_max: 64,
            unpack_ratio_max: 200,
            document_bytes_max: 256 << 20,
            xml_depth_max: 64,
            names_max: 100_000,
        }
    }
}
