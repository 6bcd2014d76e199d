//! The blocks and the runs in SQLite.

use std::collections::HashSet;

use rusqlite::{Connection, OptionalExtension as _, Transaction, TransactionBehavior};
use uuid::Uuid;

use super::block::{Block, Range, Stamp};
use super::fact::{Fact, Packed, RunId, array, blake3, inode, pack};
use crate::identity::{Blake3, ContentAddress};

/// How many runs are remembered; what an older one stored is asked for object by object, and stored anew by that.
const RUNS_MAX: i64 = 4096;
/// How many of a run's bits are chance; those above count.
const CHANCE_BITS: u32 = 32;

const FIRST: &str = "SELECT first FROM block WHERE device = ?1 AND first <= ?2 ORDER BY first DESC LIMIT 1";
const UNTIL: &str = "SELECT min(first) FROM block WHERE device = ?1 AND first > ?2";
const FACTS: &str = "SELECT facts FROM block WHERE device = ?1 AND first = ?2";
const PUT: &str = "INSERT INTO block (device, first, facts) VALUES (?1, ?2, ?3)
                   ON CONFLICT (device, first) DO UPDATE SET facts = excluded.facts";
const ALL: &str = "SELECT device, first, facts FROM block";

/// SQLite's integers are signed: the same 64 bits, read as such.
const fn device_key(device: u64) -> i64 {
    device.cast_signed()
}

/// The same for an inode, so that the order stays.
const fn inode_key(inode: u64) -> i64 {
    (inode ^ 1 << 63).cast_signed()
}

const fn inode_of(key: i64) -> u64 {
    key.cast_unsigned() ^ 1 << 63
}

/// Returns whether there are any facts.
pub(super) fn has_blocks(connection: &Connection) -> rusqlite::Result<bool> {
    connection.query_row("SELECT EXISTS (SELECT 1 FROM block)", (), |row| row.get(0))
}

/// Returns the range of inodes that a file's block has, whether there is such a block or not.
pub(super) fn range_of(connection: &Connection, device: u64, inode: u64) -> rusqlite::Result<Range> {
    let key = device_key(device);
    let first = connection
        .prepare_cached(FIRST)?
        .query_row((key, inode_key(inode)), |row| row.get(0))
        .optional()?
        .map_or(0, inode_of);
    let until: Option<i64> =
        connection.prepare_cached(UNTIL)?.query_row((key, inode_key(first)), |row| row.get(0))?;
    Ok(Range { device, first, until: until.map(inode_of) })
}

/// Reads a block; one that is missing or damaged has no facts.
pub(super) fn load(connection: &Connection, range: Range) -> rusqlite::Result<Block> {
    let Range { device, first, .. } = range;
    let block = connection
        .prepare_cached(FACTS)?
        .query_row((device_key(device), inode_key(first)), |row| {
            Ok(Block::decode(device, first, row.get_ref(0)?.as_blob()?))
        })
        .optional()?;
    Ok(block.flatten().unwrap_or_default())
}

/// Returns what is known of a run; `None` where it did not end well, or long ago.
pub(super) fn stamp(connection: &Connection, run: RunId) -> rusqlite::Result<Option<Stamp>> {
    let found: Option<Option<Stamp>> = connection
        .prepare_cached("SELECT stamp FROM run WHERE run = ?1 AND stamp IS NOT NULL")?
        .query_row([run.0], |row| Ok(Stamp::decode(run.0, row.get_ref(0)?.as_blob()?)))
        .optional()?;
    Ok(found.flatten())
}

/// Stores facts in the name of a run, and returns it: a new one where it is the first time.
pub(super) fn insert(
    connection: &mut Connection,
    facts: impl Iterator<Item = Fact>,
    run: Option<RunId>,
) -> rusqlite::Result<RunId> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let run = match run {
        Some(run) => run,
        None => begin_run(&transaction)?,
    };
    let mut facts: Vec<(u64, Packed)> = facts.map(|fact| (fact.print.id.device, pack(&fact, run))).collect();
    let place = |(device, fact): &(u64, Packed)| (*device, inode(fact));
    facts.sort_by_key(place);
    facts.dedup_by(|later, earlier| {
        let is_same = place(later) == place(earlier);
        if is_same {
            *earlier = *later;
        }
        is_same
    });
    let mut rest = &facts[..];
    while let Some(next) = rest.first() {
        let (device, inode) = place(next);
        let range = range_of(&transaction, device, inode)?;
        let together = rest.partition_point(|fact| {
            let (device, inode) = place(fact);
            range.holds(device, inode)
        });
        let (now, later) = rest.split_at(together.max(1));
        let mut block = load(&transaction, range)?;
        block.merge(&now.iter().map(|(_, fact)| *fact).collect::<Vec<_>>());
        for (first, piece) in block.cut(range.first) {
            put(&transaction, device, first, &piece)?;
        }
        rest = later;
    }
    transaction.commit()?;
    Ok(run)
}

/// Numbers a run: the next count, and chance below it.
///
/// Nothing is synced here. After a power cut the page that counts may be older than a page of facts, and the count is
/// then given again; so it may be where the cache was dropped while another process had it open. Without chance the
/// stamp of the younger run would vouch for what the older one stored, though that one may have failed.
fn begin_run(transaction: &Transaction<'_>) -> rusqlite::Result<RunId> {
    let newest: i64 = transaction.query_row("SELECT coalesce(max(run), 0) FROM run", (), |row| row.get(0))?;
    let count = (newest >> CHANCE_BITS) + 1;
    let chance = u32::from_le_bytes(array(&Uuid::new_v4().as_bytes()[12..]));
    let run = count << CHANCE_BITS | i64::from(chance);
    transaction.execute("INSERT INTO run (run) VALUES (?1)", [run])?;
    let oldest = (count - RUNS_MAX + 1) << CHANCE_BITS;
    transaction.execute("DELETE FROM run WHERE run < ?1", [oldest])?;
    Ok(RunId(run))
}

fn put(transaction: &Transaction<'_>, device: u64, first: u64, block: &Block) -> rusqlite::Result<()> {
    let key = (device_key(device), inode_key(first), block.encode(device, first));
    transaction.prepare_cached(PUT)?.execute(key)?;
    Ok(())
}

/// Writes down what a run's facts are believed by.
pub(super) fn vouch(connection: &Connection, run: RunId, stamp: &Stamp) -> rusqlite::Result<()> {
    connection.execute("UPDATE run SET stamp = ?2 WHERE run = ?1", (run.0, stamp.encode(run.0)))?;
    Ok(())
}

/// Drops the facts about this content, and returns how many they were.
pub(super) fn delete(connection: &mut Connection, addresses: &[ContentAddress]) -> rusqlite::Result<u64> {
    let unwanted: HashSet<Blake3> = addresses.iter().map(ContentAddress::digest).collect();
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let mut files = 0;
    let mut less: Vec<(u64, u64, Block)> = Vec::new();
    {
        let mut all = transaction.prepare(ALL)?;
        let mut rows = all.query(())?;
        while let Some(row) = rows.next()? {
            let (device, first): (i64, i64) = (row.get(0)?, row.get(1)?);
            let (device, first) = (device.cast_unsigned(), inode_of(first));
            let Some(mut block) = Block::decode(device, first, row.get_ref(2)?.as_blob()?) else { continue };
            let dropped = block.drop_where(|fact| unwanted.contains(&blake3(fact)));
            if dropped > 0 {
                files += dropped as u64;
                less.push((device, first, block));
            }
        }
    }
    for (device, first, block) in &less {
        put(&transaction, *device, *first, block)?;
    }
    transaction.commit()?;
    Ok(files)
}
