//! Rates and latencies.

use futures_util::future::try_join_all;
use ring::aead::{AES_128_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use std::fmt;
use std::future::Future;
use std::time::{Duration, Instant};

/// What a scenario measured. The last three are added when it is over.
#[derive(Default)]
pub struct Measured {
    /// How long each operation took.
    pub latencies: Vec<Duration>,
    /// How long all of them took together.
    pub elapsed: Duration,
    /// Bytes of the answers' bodies.
    pub bytes: u64,
    /// Processor time that the server took, where known.
    pub server_time: Option<Duration>,
    /// The part of the machine's processor time that its host gave to others, where known.
    pub stolen: Option<f64>,
    /// What [`core_speed`] was around it.
    pub core_speed: f64,
}

/// Lets each client repeat an operation, which gets the client's number and its own count, until the time is up. The
/// operation returns how many bytes it was answered.
pub async fn repeat<F, Fut>(clients: usize, length: Duration, operation: F) -> Result<Measured, String>
where
    F: Fn(usize, usize) -> Fut,
    Fut: Future<Output = Result<u64, String>>,
{
    let begin = Instant::now();
    let each = (0..clients).map(|client| {
        let operation = &operation;
        async move {
            let (mut latencies, mut bytes) = (Vec::new(), 0);
            while begin.elapsed() < length {
                let sent = Instant::now();
                bytes += operation(client, latencies.len()).await?;
                latencies.push(sent.elapsed());
            }
            Ok::<_, String>((latencies, bytes))
        }
    });
    let all = try_join_all(each).await?;
    let elapsed = begin.elapsed();
    let bytes = all.iter().map(|(_, bytes)| bytes).sum();
    let latencies = all.into_iter().flat_map(|(latencies, _)| latencies).collect();
    Ok(Measured { latencies, elapsed, bytes, ..Measured::default() })
}

/// The resident memory of a process, in bytes, where the system tells.
pub fn resident(pid: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.trim().trim_end_matches(" kB").parse::<u64>().ok().map(|kibibytes| kibibytes << 10)
}

/// The processor time that a process has taken, where the system tells.
pub fn processor_time(pid: u32) -> Option<Duration> {
    /// Ticks in a second, as Linux shows them whatever its own clock.
    const TICKS: u64 = 100;
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The program's name, in parentheses, may hold spaces.
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace().skip(11);
    let user: u64 = fields.next()?.parse().ok()?;
    let system: u64 = fields.next()?.parse().ok()?;
    Some(Duration::from_millis((user + system) * 1000 / TICKS))
}

/// How fast one core is at this moment: what it encrypts with AES-128-GCM, in GB a second. A machine that shares its
/// cores with others is at times half as fast as at its best, and so is all that is measured on it.
pub fn core_speed() -> f64 {
    const BLOCK: usize = 16 << 10;
    const LONG: Duration = Duration::from_millis(20);
    let Ok(key) = UnboundKey::new(&AES_128_GCM, &[7; 16]) else { return 0.0 };
    let key = LessSafeKey::new(key);
    let mut block = vec![0; BLOCK];
    let (begin, mut bytes) = (Instant::now(), 0);
    while begin.elapsed() < LONG {
        let nonce = Nonce::assume_unique_for_key([0; 12]);
        if key.seal_in_place_separate_tag(nonce, Aad::empty(), &mut block).is_err() {
            return 0.0;
        }
        bytes += BLOCK;
    }
    bytes as f64 / begin.elapsed().as_secs_f64() / 1e9
}

/// What the machine's processors did since it started, in ticks.
pub struct Machine {
    all: u64,
    stolen: u64,
}

impl Machine {
    /// What the system tells of it.
    pub fn now() -> Option<Machine> {
        Machine::parse(&std::fs::read_to_string("/proc/stat").ok()?)
    }

    /// The first line has the times as user, nice, system, idle, iowait, irq, softirq and steal; what guests took follows,
    /// and is part of user.
    fn parse(stat: &str) -> Option<Machine> {
        let line = stat.lines().next()?.strip_prefix("cpu ")?;
        let ticks = line.split_whitespace().take(8).map(|ticks| ticks.parse().ok()).collect::<Option<Vec<u64>>>()?;
        Some(Machine { all: ticks.iter().sum(), stolen: *ticks.get(7)? })
    }

    /// The part of the time since then that was stolen.
    pub fn stolen_since(&self, before: &Machine) -> f64 {
        self.stolen.saturating_sub(before.stolen) as f64 / self.all.saturating_sub(before.all).max(1) as f64
    }
}

/// A line of the table that this program prints.
pub struct Report<'a> {
    pub scenario: &'a str,
    pub clients: usize,
    pub measured: Measured,
    /// The server's resident memory in bytes, where known.
    pub memory: Option<u64>,
}

impl Report<'_> {
    pub const HEADER: &'static str = "SCENARIO       CLIENTS     COUNT    PER SECOND    P50 MS    P99 MS    BYTES/OP SERVER US/OP    RSS MB  STOLEN AES GB/S";
}

impl fmt::Display for Report<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut sorted = self.measured.latencies.clone();
        sorted.sort_unstable();
        let quantile = |part: f64| {
            let index = ((sorted.len() as f64 * part) as usize).min(sorted.len().saturating_sub(1));
            sorted.get(index).map_or(0.0, |latency| latency.as_secs_f64() * 1000.0)
        };
        let count = sorted.len();
        let rate = count as f64 / self.measured.elapsed.as_secs_f64();
        let size = self.measured.bytes / count.max(1) as u64;
        let memory = self.memory.map_or("-".to_string(), |bytes| format!("{:.1}", bytes as f64 / 1e6));
        let time = self.measured.server_time.map(|time| time.as_secs_f64() * 1e6 / count.max(1) as f64);
        let time = time.map_or("-".to_string(), |micros| format!("{micros:.1}"));
        let stolen = self.measured.stolen.map_or("-".to_string(), |part| format!("{:.0}%", part * 100.0));
        let speed = self.measured.core_speed;
        let (p50, p99) = (quantile(0.5), quantile(0.99));
        let (name, clients) = (self.scenario, self.clients);
        write!(
            f,
            "{name:<14} {clients:>7} {count:>9} {rate:>13.1} {p50:>9.2} {p99:>9.2} {size:>11} {time:>12} {memory:>9} {stolen:>7} {speed:>8.1}"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_core_has_a_speed() {
        assert!(core_speed() > 0.0);
    }

    #[test]
    fn the_report_shows_rate_and_quantiles() {
        let latencies = (1..=100).map(Duration::from_millis).collect();
        let measured = Measured {
            latencies,
            elapsed: Duration::from_secs(2),
            bytes: 1000,
            server_time: Some(Duration::from_millis(1)),
            stolen: Some(0.25),
            core_speed: 4.5,
        };
        let report = Report { scenario: "gets", clients: 3, measured, memory: Some(2_500_000) }.to_string();
        let columns: Vec<&str> = report.split_whitespace().collect();
        assert_eq!(columns, ["gets", "3", "100", "50.0", "51.00", "100.00", "10", "10.0", "2.5", "25%", "4.5"]);
        assert_eq!(Report::HEADER.len(), report.len());
        let [before, after] =
            ["cpu  10 0 10 50 0 0 0 10 5 0", "cpu  20 0 10 70 0 0 0 20 5 0\ncpu0 20 0"].map(Machine::parse);
        assert_eq!(after.unwrap().stolen_since(&before.unwrap()), 0.25);
    }
}
