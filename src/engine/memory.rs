//! What a run took of memory.

/// The most memory that this process held at once, in bytes, where the system tells (Linux: `VmHWM`).
pub fn peak() -> Option<u64> {
    high_water_mark(&std::fs::read_to_string("/proc/self/status").ok()?)
}

fn high_water_mark(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|l| l.strip_prefix("VmHWM:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_high_water_mark_is_read() {
        assert_eq!(high_water_mark("VmPeak:\t 9 kB\nVmHWM:\t   2048 kB\nVmRSS:\t 5 kB"), Some(2_097_152));
        assert_eq!(high_water_mark("VmRSS: 5 kB"), None);
    }
}
