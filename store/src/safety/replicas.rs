//! What slaves say they have: no threads, no lock, no clock (`DefaultHAService`, as far as acknowledgements go).
//!
//! A slave counts once, however often it connects, and with what it said last: not with the most that it ever said, as in
//! Java, where a slave that was wiped goes on confirming what it has lost.

use std::fmt;

/// Slaves of one master, at most.
pub const SLAVES_MAX: usize = 64;
/// What a slave has that has not said so yet. As Java's `slaveAckOffset`: in sync while the log is short, but confirms nothing.
const UNKNOWN: i64 = -1;

/// A slave, whatever connection it comes by. Who it is, replication knows: the protocol does not say.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SlaveId(pub i64);

/// A slave's connection. Of one slave only the last counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SlaveConnection {
    /// Whose it is.
    pub slave: SlaveId,
    /// One a connection of this broker.
    number: u64,
}

/// Why a slave's report does not count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReportError {
    /// The slave has left, or has come again by another connection.
    NotConnected,
    /// It says that it has more than there is: another log than ours. It confirms nothing until it says otherwise.
    Ahead {
        /// Up to where it says that it has the log.
        offset: i64,
        /// Where our log ends.
        log_end: i64,
    },
}

impl fmt::Display for ReportError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotConnected => f.write_str("the slave is not connected any more"),
            Self::Ahead { offset, log_end } => {
                write!(f, "the slave is at {offset}, ahead of this log, which ends at {log_end}")
            }
        }
    }
}

impl std::error::Error for ReportError {}

#[derive(Debug, Default)]
pub struct Replicas {
    slaves: Vec<Slave>,
    connections: u64,
}

#[derive(Debug)]
struct Slave {
    connection: SlaveConnection,
    /// Everything before it is there.
    replicated_to: i64,
    is_ahead: bool,
}

impl Replicas {
    /// A slave has connected. `None` if there are too many.
    pub fn join(&mut self, slave: SlaveId) -> Option<SlaveConnection> {
        self.slaves.retain(|known| known.connection.slave != slave);
        if self.slaves.len() >= SLAVES_MAX {
            return None;
        }
        self.connections += 1;
        let connection = SlaveConnection { slave, number: self.connections };
        self.slaves.push(Slave { connection, replicated_to: UNKNOWN, is_ahead: false });
        Some(connection)
    }

    /// A connection has ended; nothing happens if the slave has another one.
    pub fn leave(&mut self, connection: SlaveConnection) {
        self.slaves.retain(|known| known.connection != connection);
    }

    /// A slave says that it has everything before `offset` of a log that ends at `log_end`.
    pub fn replicated(
        &mut self,
        connection: SlaveConnection,
        offset: i64,
        log_end: i64,
    ) -> Result<(), ReportError> {
        let slave = self.slaves.iter_mut().find(|known| known.connection == connection);
        let slave = slave.ok_or(ReportError::NotConnected)?;
        slave.is_ahead = offset > log_end;
        slave.replicated_to = if slave.is_ahead { UNKNOWN } else { offset };
        if slave.is_ahead { Err(ReportError::Ahead { offset, log_end }) } else { Ok(()) }
    }

    /// The log was cut off at `end`: nobody has more of it. Who had will say what it has now.
    #[cfg(test)]
    pub fn cut(&mut self, end: i64) {
        for slave in &mut self.slaves {
            slave.replicated_to = slave.replicated_to.min(end);
        }
    }

    /// Everything before it is on `slaves` slaves at least; -1 if there are not so many.
    pub fn replicated_to(&self, slaves: u8) -> i64 {
        let has = |offset: i64| self.slaves.iter().filter(|slave| slave.replicated_to >= offset).count();
        let offsets = self.slaves.iter().map(|slave| slave.replicated_to);
        offsets.filter(|offset| has(*offset) >= slaves.into()).max().unwrap_or(UNKNOWN)
    }

    /// Slaves that are less than `gap_max` bytes behind `log_end` (`haMaxGapNotInSync`).
    pub fn in_sync(&self, log_end: i64, gap_max: i64) -> usize {
        let is_in_sync = |slave: &&Slave| !slave.is_ahead && log_end - slave.replicated_to < gap_max;
        self.slaves.iter().filter(is_in_sync).count()
    }
}

/// How many replicas an acknowledgement needs (`inSyncReplicas`, `minInSyncReplicas`, `enableAutoInSyncReplicas`). The
/// master is one of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InSyncRule {
    /// Replicas that must have a message, as a rule.
    pub in_sync_replicas: u8,
    /// With `auto`, fewer than these will not do.
    pub min_in_sync_replicas: u8,
    /// Fewer than `in_sync_replicas` will do if there are no more in sync.
    pub auto: bool,
}

impl InSyncRule {
    /// So many replicas must have a message, of which `in_sync` are in sync now (`calcNeedAckNums`). `None` if there are too
    /// few: the message must not be appended.
    pub fn need_ack_nums(&self, in_sync: usize) -> Option<u8> {
        let in_sync = u8::try_from(in_sync).unwrap_or(u8::MAX);
        let need = match self.auto {
            true => self.in_sync_replicas.min(in_sync).max(self.min_in_sync_replicas),
            false => self.in_sync_replicas,
        };
        (need <= in_sync).then_some(need)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn joined(replicas: &mut Replicas, slave: i64, offset: i64) -> SlaveConnection {
        let connection = replicas.join(SlaveId(slave)).unwrap();
        replicas.replicated(connection, offset, 1000).unwrap();
        connection
    }

    fn replicated_to(replicas: &Replicas) -> [i64; 4] {
        [1, 2, 3, 4].map(|slaves| replicas.replicated_to(slaves))
    }

    #[test]
    fn so_many_slaves_have_so_much() {
        let mut replicas = Replicas::default();
        assert_eq!(replicated_to(&replicas), [-1; 4]);
        for (slave, offset) in [(1, 500), (2, 900), (3, 500)] {
            joined(&mut replicas, slave, offset);
        }
        assert_eq!(replicated_to(&replicas), [900, 500, 500, -1]);
        replicas.cut(600);
        assert_eq!(replicated_to(&replicas), [600, 500, 500, -1]);
    }

    #[test]
    fn a_slave_counts_once_and_with_what_it_said_last() {
        let mut replicas = Replicas::default();
        let old = joined(&mut replicas, 1, 900);
        let new = replicas.join(SlaveId(1)).unwrap();
        assert_eq!(replicated_to(&replicas), [-1; 4], "it may have lost everything");
        assert_eq!(replicas.replicated(old, 900, 1000), Err(ReportError::NotConnected));
        replicas.replicated(new, 300, 1000).unwrap();
        replicas.leave(old);
        assert_eq!(replicated_to(&replicas), [300, -1, -1, -1]);
        replicas.replicated(new, 200, 1000).unwrap();
        assert_eq!(replicated_to(&replicas), [200, -1, -1, -1]);
        replicas.leave(new);
        assert_eq!(replicated_to(&replicas), [-1; 4]);
    }

    #[test]
    fn a_slave_that_is_ahead_confirms_nothing() {
        let mut replicas = Replicas::default();
        let slave = joined(&mut replicas, 1, 900);
        let ahead = ReportError::Ahead { offset: 1001, log_end: 1000 };
        assert_eq!(replicas.replicated(slave, 1001, 1000), Err(ahead));
        assert_eq!((replicas.replicated_to(1), replicas.in_sync(1000, 5000)), (-1, 0));
        replicas.replicated(slave, 1000, 1000).unwrap();
        assert_eq!((replicas.replicated_to(1), replicas.in_sync(1000, 5000)), (1000, 1));
    }

    #[test]
    fn in_sync_is_within_the_gap() {
        let mut replicas = Replicas::default();
        joined(&mut replicas, 1, 900);
        assert_eq!((replicas.in_sync(1000, 100), replicas.in_sync(1000, 101)), (0, 1));
        // As Java counts one that has said nothing.
        replicas.join(SlaveId(2)).unwrap();
        assert_eq!((replicas.in_sync(1000, 1001), replicas.in_sync(1000, 1002)), (1, 2));
    }

    #[test]
    fn there_is_an_end_to_slaves() {
        let mut replicas = Replicas::default();
        for slave in 0..SLAVES_MAX as i64 {
            joined(&mut replicas, slave, 1);
        }
        assert_eq!(replicas.join(SlaveId(-1)), None);
        assert!(replicas.join(SlaveId(0)).is_some(), "one that comes again has its place");
    }

    #[test]
    fn needed_acknowledgements() {
        let rule = |auto| InSyncRule { in_sync_replicas: 3, min_in_sync_replicas: 2, auto };
        let need = |auto| [1, 2, 3, 4, 300].map(|in_sync| rule(auto).need_ack_nums(in_sync));
        assert_eq!(need(false), [None, None, Some(3), Some(3), Some(3)]);
        assert_eq!(need(true), [None, Some(2), Some(3), Some(3), Some(3)]);
    }
}
