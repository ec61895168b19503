//! Currencies of ISO 4217 and how many decimals each has. An unknown code is refused, never guessed.

/// A currency of ISO 4217, upper case.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Currency {
    code: [u8; 3],
    decimals: u8,
}

/// Those with two decimals, in order.
const TWO: [[u8; 3]; 132] = [
    *b"AED", *b"AFN", *b"ALL", *b"AMD", *b"ANG", *b"AOA", *b"ARS", *b"AUD", *b"AWG", *b"AZN", *b"BAM",
    *b"BBD", *b"BDT", *b"BGN", *b"BMD", *b"BND", *b"BOB", *b"BRL", *b"BSD", *b"BTN", *b"BWP", *b"BYN",
    *b"BZD", *b"CAD", *b"CDF", *b"CHF", *b"CNY", *b"COP", *b"CRC", *b"CUP", *b"CVE", *b"CZK", *b"DKK",
    *b"DOP", *b"DZD", *b"EGP", *b"ERN", *b"ETB", *b"EUR", *b"FJD", *b"FKP", *b"GBP", *b"GEL", *b"GHS",
    *b"GIP", *b"GMD", *b"GTQ", *b"GYD", *b"HKD", *b"HNL", *b"HTG", *b"HUF", *b"IDR", *b"ILS", *b"INR",
    *b"IRR", *b"JMD", *b"KES", *b"KGS", *b"KHR", *b"KPW", *b"KYD", *b"KZT", *b"LAK", *b"LBP", *b"LKR",
    *b"LRD", *b"LSL", *b"MAD", *b"MDL", *b"MGA", *b"MKD", *b"MMK", *b"MNT", *b"MOP", *b"MRU", *b"MUR",
    *b"MVR", *b"MWK", *b"MXN", *b"MYR", *b"MZN", *b"NAD", *b"NGN", *b"NIO", *b"NOK", *b"NPR", *b"NZD",
    *b"PAB", *b"PEN", *b"PGK", *b"PHP", *b"PKR", *b"PLN", *b"QAR", *b"RON", *b"RSD", *b"RUB", *b"SAR",
    *b"SBD", *b"SCR", *b"SDG", *b"SEK", *b"SGD", *b"SHP", *b"SLE", *b"SOS", *b"SRD", *b"SSP", *b"STN",
    *b"SVC", *b"SYP", *b"SZL", *b"THB", *b"TJS", *b"TMT", *b"TOP", *b"TRY", *b"TTD", *b"TWD", *b"TZS",
    *b"UAH", *b"USD", *b"UYU", *b"UZS", *b"VED", *b"VES", *b"WST", *b"XCD", *b"YER", *b"ZAR", *b"ZMW",
];

/// Those without decimals, in order.
const NONE: [[u8; 3]; 16] = [
    *b"BIF", *b"CLP", *b"DJF", *b"GNF", *b"ISK", *b"JPY", *b"KMF", *b"KRW", *b"PYG", *b"RWF", *b"UGX",
    *b"VND", *b"VUV", *b"XAF", *b"XOF", *b"XPF",
];

/// Those with three, in order.
const THREE: [[u8; 3]; 7] = [*b"BHD", *b"IQD", *b"JOD", *b"KWD", *b"LYD", *b"OMR", *b"TND"];

impl Currency {
    /// The renminbi, in which every Chinese bill is kept that names no other.
    pub const CNY: Currency = Currency { code: *b"CNY", decimals: 2 };

    /// Finds a currency by its code, in either case. `None` for what ISO 4217 does not list.
    pub fn find(code: &str) -> Option<Currency> {
        let mut upper: [u8; 3] = code.as_bytes().try_into().ok()?;
        upper.make_ascii_uppercase();
        if upper == Currency::CNY.code {
            return Some(Currency::CNY);
        }
        let tables = [(2, TWO.as_slice()), (0, NONE.as_slice()), (3, THREE.as_slice())];
        let found = tables.iter().find(|(_, codes)| codes.binary_search(&upper).is_ok());
        found.map(|(decimals, _)| Currency { code: upper, decimals: *decimals })
    }

    pub fn code(&self) -> &str {
        // Only letters of the tables above get here.
        std::str::from_utf8(&self.code).unwrap_or("")
    }

    /// Decimals of the minor unit: 2 for CNY, 0 for JPY.
    pub fn decimals(&self) -> u8 {
        self.decimals
    }
}

impl std::fmt::Display for Currency {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.code())
    }
}

impl std::fmt::Debug for Currency {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.code())
    }
}
