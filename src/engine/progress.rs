//! Progress on stderr, only where it is a terminal.

use std::io::Write;
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

/// Shows what a run is doing.
#[derive(Clone, Debug)]
pub struct Progress {
    bars: MultiProgress,
    quiet: bool,
}

impl Progress {
    /// Progress bars on stderr; none where it isn't a terminal or the person wants quiet.
    pub fn new(quiet: bool) -> Self {
        // indicatif itself draws nothing where stderr is no terminal.
        let target = if quiet { ProgressDrawTarget::hidden() } else { ProgressDrawTarget::stderr() };
        Self { bars: MultiProgress::with_draw_target(target), quiet }
    }

    /// Says one thing, unless the person wants quiet.
    pub fn say(&self, what: &str) {
        if !self.quiet {
            self.bars.suspend(|| {
                let _ = writeln!(std::io::stderr(), "{what}");
            });
        }
    }

    /// A bar over a known number of steps, with rate and time left.
    pub fn bar(&self, what: &'static str, total: u64) -> ProgressBar {
        let style =
            ProgressStyle::with_template("{prefix:>12} [{bar:24}] {pos}/{len} {msg} ({per_sec}, {eta} left)");
        self.add(ProgressBar::new(total), what, style)
    }

    /// A bar over an unknown number of rows, with their rate.
    pub fn rows(&self, what: &'static str) -> ProgressBar {
        let style = ProgressStyle::with_template("{prefix:>12} {spinner} {human_pos} rows {msg} ({per_sec})");
        let bar = self.add(ProgressBar::no_length(), what, style);
        bar.enable_steady_tick(Duration::from_millis(120));
        bar
    }

    fn add(
        &self,
        bar: ProgressBar,
        what: &'static str,
        style: Result<ProgressStyle, indicatif::style::TemplateError>,
    ) -> ProgressBar {
        let bar = self.bars.add(bar).with_prefix(what);
        match style {
            Ok(style) => bar.with_style(style.progress_chars("=> ")),
            Err(_) => bar,
        }
    }
}
