//! What an operator should look at, as facts. How that is said is for whoever says it.

/// Something about a store that an operator should look at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Concern {
    /// So many objects were found damaged and nobody has mended them: damage.
    DamagedObjects(u64),
    /// Verifies found so many faults of other things, and nothing says that they are mended: damage.
    Faults(u64),
    /// So many events were not what `verify --head` was told, and none has been compared again since: damage.
    Heads(u64),
    /// So many objects have another second digest than the log says, and none has been read with both since: damage.
    SecondDigests(u64),
    /// `log/` does not end where the database does: damage.
    LogApart,
    /// `log/` cannot be looked at; why.
    LogUnreadable(String),
    /// The objects cannot be looked at; why.
    ObjectsUnreadable(String),
    /// The gc that this event began is not finished.
    UnfinishedGc(u64),
    /// The log has so many events or fields that this build does not know.
    Unknown(u64),
    /// Writers, at work or dead, have left much in `tmp/`.
    Leftovers {
        /// How many writers.
        writers: u64,
        /// How much all of them left.
        bytes: u64,
    },
    /// The space that is set aside is gone.
    NoReserve,
    /// No full verify is recorded.
    NeverVerified,
    /// Only so many bytes are free.
    LittleRoom(u64),
}

impl Concern {
    /// Returns whether it is damage, and not only worth a look.
    pub const fn is_damage(&self) -> bool {
        match self {
            Self::DamagedObjects(_)
            | Self::Faults(_)
            | Self::Heads(_)
            | Self::SecondDigests(_)
            | Self::LogApart => true,
            Self::LogUnreadable(_)
            | Self::ObjectsUnreadable(_)
            | Self::UnfinishedGc(_)
            | Self::Unknown(_)
            | Self::Leftovers { .. }
            | Self::NoReserve
            | Self::NeverVerified
            | Self::LittleRoom(_) => false,
        }
    }
}
