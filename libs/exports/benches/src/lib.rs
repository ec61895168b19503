//! What a process has taken of memory, as the kernel counts it.

/// The most resident memory this process ever had, in KiB.
///
/// # Errors
/// Where `/proc` does not say.
pub fn peak_resident_kib() -> Result<u64, String> {
    let status = std::fs::read_to_string("/proc/self/status").map_err(|error| error.to_string())?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let number = line.and_then(|line| line.split_whitespace().next()).ok_or("no VmHWM")?;
    number.parse().map_err(|error| format!("VmHWM: {error}"))
}
