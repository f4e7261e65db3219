//! Which role a broker at work may change to, and which state a slave's connection to its master. What is not listed here
//! is not done, whoever asks for it.

use super::BrokerRole;

impl BrokerRole {
    /// The roles that a broker may take on while it runs (`ReplicasManager.changeToMaster`, `changeToSlave`). All others take
    /// a start.
    pub const fn successors(self) -> &'static [BrokerRole] {
        match self {
            // Not the other kind of master: what its producers have been promised would change under them.
            BrokerRole::AsyncMaster | BrokerRole::SyncMaster => &[BrokerRole::Slave],
            // As in Java, whatever kind of master the configuration has: from then on it is told who is in sync.
            BrokerRole::Slave => &[BrokerRole::SyncMaster],
        }
    }

    /// Whether a broker may take on the role while it runs.
    pub fn may_become(self, next: BrokerRole) -> bool {
        self.successors().contains(&next)
    }
}

/// State of a slave's connection to its master (`HAConnectionState`); the numbers are those on the wire of controller mode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HaConnectionState {
    /// Not connected, about to be.
    Ready = 0,
    /// Slave and master find out where their logs part. In controller mode only.
    Handshake = 1,
    /// The master's bytes come in.
    Transfer = 2,
    /// Known on the wire. Nothing leads to it or away from it, in Java neither.
    Suspend = 3,
    /// For good.
    Shutdown = 4,
}

impl HaConnectionState {
    /// In the order of their numbers.
    pub const ALL: [Self; 5] = [Self::Ready, Self::Handshake, Self::Transfer, Self::Suspend, Self::Shutdown];

    /// The state of a number from the wire.
    pub fn from_number(number: i32) -> Option<Self> {
        Self::ALL.get(usize::try_from(number).ok()?).copied()
    }

    /// The states that may follow (`DefaultHAClient`, `AutoSwitchHAClient`). A connection that is lost makes it ready again,
    /// but for one that was shut down: Java's says READY then, since it closes its socket last.
    pub const fn successors(self) -> &'static [Self] {
        match self {
            Self::Ready => &[Self::Handshake, Self::Transfer, Self::Shutdown],
            Self::Handshake => &[Self::Transfer, Self::Ready, Self::Shutdown],
            Self::Transfer => &[Self::Ready, Self::Shutdown],
            Self::Suspend | Self::Shutdown => &[],
        }
    }

    /// Whether `next` may follow.
    pub fn may_become(self, next: Self) -> bool {
        self.successors().contains(&next)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use BrokerRole::*;
    use HaConnectionState::*;

    #[test]
    fn every_change_of_role() {
        let legal = [(AsyncMaster, Slave), (SyncMaster, Slave), (Slave, SyncMaster)];
        for from in [AsyncMaster, SyncMaster, Slave] {
            for to in [AsyncMaster, SyncMaster, Slave] {
                assert_eq!(from.may_become(to), legal.contains(&(from, to)), "{from:?} to {to:?}");
            }
        }
    }

    #[test]
    fn every_change_of_a_slave_s_connection() {
        let legal = [
            (Ready, Handshake),
            (Ready, Transfer),
            (Ready, Shutdown),
            (Handshake, Ready),
            (Handshake, Transfer),
            (Handshake, Shutdown),
            (Transfer, Ready),
            (Transfer, Shutdown),
        ];
        for from in HaConnectionState::ALL {
            for to in HaConnectionState::ALL {
                assert_eq!(from.may_become(to), legal.contains(&(from, to)), "{from:?} to {to:?}");
            }
        }
        assert!(
            HaConnectionState::ALL.iter().all(|state| *state == Shutdown || !Shutdown.may_become(*state))
        );
    }

    #[test]
    fn numbers_are_those_of_the_wire() {
        for (number, state) in HaConnectionState::ALL.into_iter().enumerate() {
            assert_eq!(
                (state as usize, HaConnectionState::from_number(number as i32)),
                (number, Some(state))
            );
        }
        assert_eq!([-1, 5].map(HaConnectionState::from_number), [None, None]);
    }
}
