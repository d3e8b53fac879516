//! `--memory`.

/// Where the system doesn't tell how much there is.
const FALLBACK: usize = 2 << 30;

/// Reads `512MiB`, `4GB`, `1.5G` or a number of bytes.
pub fn size(text: &str) -> Result<usize, String> {
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let factor: f64 = match unit.trim().to_ascii_lowercase().as_str() {
        "" | "b" => 1.0,
        "kb" => 1e3,
        "k" | "kib" => 1024.0,
        "mb" => 1e6,
        "m" | "mib" => 1024.0 * 1024.0,
        "gb" => 1e9,
        "g" | "gib" => 1024.0 * 1024.0 * 1024.0,
        "tb" => 1e12,
        "t" | "tib" => 1024.0 * 1024.0 * 1024.0 * 1024.0,
        _ => return Err(format!("unknown unit '{unit}'; write 512MiB or 4GB")),
    };
    let number: f64 = number.parse().map_err(|_| format!("'{text}' is no size; write 512MiB or 4GB"))?;
    if number * factor < 1.0 {
        return Err("that is no memory at all".into());
    }
    Ok((number * factor) as usize)
}

/// Half of what the machine has, or of what this process may use.
pub fn default_limit() -> usize {
    let machine = std::fs::read_to_string("/proc/meminfo").ok().and_then(|text| total(&text));
    let group =
        std::fs::read_to_string("/sys/fs/cgroup/memory.max").ok().and_then(|text| text.trim().parse().ok());
    let all = [machine, group].into_iter().flatten().min();
    all.map_or(FALLBACK, |bytes: usize| bytes / 2)
}

/// `MemTotal` of `/proc/meminfo` in bytes.
fn total(text: &str) -> Option<usize> {
    let line = text.lines().find_map(|l| l.strip_prefix("MemTotal:"))?;
    let kib: usize = line.split_whitespace().next()?.parse().ok()?;
    Some(kib * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_as_people_write_them() {
        assert_eq!(size("512MiB"), Ok(512 << 20));
        assert_eq!(size("4GB"), Ok(4_000_000_000));
        assert_eq!(size("1.5g"), Ok(3 << 29));
        assert_eq!(size("100000"), Ok(100_000));
        for bad in ["", "much", "4 parsecs", "0", "-1GB"] {
            assert!(size(bad).is_err(), "{bad}");
        }
        assert_eq!(total("MemTotal:       16 kB\nMemFree: 1 kB"), Some(16_384));
    }
}
