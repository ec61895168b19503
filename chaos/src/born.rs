//! When a process was born: with its number, what tells it from another one that got the same number later.

/// The kernel's start time of a process, in ticks since the machine started.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Born(u64);

/// When a living process started; `None` for a dead one or a zombie.
pub fn born_at(id: u32) -> Option<Born> {
    let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
    // The name in parentheses may hold anything, so counting begins behind the last one.
    let (_, rest) = stat.rsplit_once(')')?;
    let mut fields = rest.split_whitespace();
    let state = fields.next()?;
    if matches!(state, "Z" | "X") {
        return None;
    }
    fields.nth(18)?.parse().ok().map(Born)
}

#[cfg(test)]
mod tests {
    use super::born_at;

    #[test]
    fn a_living_process_has_a_birth_and_a_dead_one_has_none() {
        let own = std::process::id();
        assert!(born_at(own).is_some());
        assert_eq!(born_at(own), born_at(own));
        let mut child = std::process::Command::new("true").spawn().expect("a process");
        let id = child.id();
        child.wait().expect("it ends");
        assert_eq!(born_at(id), None);
    }
}
