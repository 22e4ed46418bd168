//! concread's `BptreeMap` behind a C interface; `concread_engine.cpp` is its other side. Loops over rows are here, so that
//! no row pays for a call between the languages.
//!
//! A map is written by one thread and read by any. A held snapshot ends before its map.

use concread::bptree::{BptreeMap, BptreeMapReadTxn};
use std::alloc::{GlobalAlloc, Layout, System};
use std::slice::from_raw_parts;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The system's allocator, counting what the program holds of it.
struct Counting;

/// Relaxed everywhere: a sum of its own, which orders nothing else.
static HELD: AtomicUsize = AtomicUsize::new(0);

unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        HELD.fetch_add(layout.size(), Ordering::Relaxed);
        System.alloc(layout)
    }
    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        HELD.fetch_sub(layout.size(), Ordering::Relaxed);
        System.dealloc(block, layout)
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// As in engine.hpp: what a read adds to its checksum.
#[inline]
fn digest<const WORDS: usize>(value: &[u64; WORDS]) -> u64 {
    if WORDS > 1 {
        value[0] ^ value[WORDS - 1]
    } else {
        value[0]
    }
}

/// What perch_bench asks of a map, whatever the width of its values. `Reader` and `Engine` in engine.hpp say more.
trait Store: Sync {
    /// One transaction: upserts these rows and removes the keys in `evicted`.
    fn write(&self, keys: &[u64], values: *const u64, evicted: std::ops::Range<u64>);
    fn get(&self, keys: &[u64]) -> u64;
    fn scan(&self) -> u64;
    fn snapshots(&self, times: u64) -> u64;
    fn hold(&'static self) -> Box<dyn Held>;
}

/// A snapshot, kept.
trait Held: Send {}
impl<const WORDS: usize> Held for BptreeMapReadTxn<'static, u64, [u64; WORDS]> {}

impl<const WORDS: usize> Store for BptreeMap<u64, [u64; WORDS]> {
    fn write(&self, keys: &[u64], values: *const u64, evicted: std::ops::Range<u64>) {
        let values = unsafe { from_raw_parts(values.cast::<[u64; WORDS]>(), keys.len()) };
        let mut transaction = self.write();
        for (key, value) in keys.iter().zip(values) {
            transaction.insert(*key, *value);
        }
        // Not split_off_lt: that one counts all rows of the map afterwards.
        for key in evicted {
            transaction.remove(&key);
        }
        transaction.commit();
    }

    fn get(&self, keys: &[u64]) -> u64 {
        let snapshot = self.read();
        let mut sum = 0u64;
        for key in keys {
            if let Some(value) = snapshot.get(key) {
                sum = sum.wrapping_add(digest(value));
            }
        }
        sum
    }

    fn scan(&self) -> u64 {
        let snapshot = self.read();
        let mut sum = 0u64;
        for (key, value) in snapshot.iter() {
            sum = sum.wrapping_add(*key).wrapping_add(digest(value));
        }
        sum
    }

    fn snapshots(&self, times: u64) -> u64 {
        (0..times).map(|_| u64::from(!self.read().is_empty())).sum()
    }

    fn hold(&'static self) -> Box<dyn Held> {
        Box::new(self.read())
    }
}

pub struct Map(Box<dyn Store>);
pub struct Snapshot(Box<dyn Held>);

/// Bytes that all maps and snapshots of the process hold.
#[no_mangle]
pub extern "C" fn perch_concread_held_bytes() -> usize {
    HELD.load(Ordering::Relaxed)
}

/// `value_words`: 1 or 4.
#[no_mangle]
pub extern "C" fn perch_concread_new(value_words: usize) -> *mut Map {
    let store: Box<dyn Store> = match value_words {
        1 => Box::new(BptreeMap::<u64, [u64; 1]>::new()),
        4 => Box::new(BptreeMap::<u64, [u64; 4]>::new()),
        _ => panic!("values of one word or four"),
    };
    Box::into_raw(Box::new(Map(store)))
}

/// # Safety
/// `map` comes from `perch_concread_new`; no snapshot of it is held any more.
#[no_mangle]
pub unsafe extern "C" fn perch_concread_free(map: *mut Map) {
    drop(Box::from_raw(map));
}

/// # Safety
/// There are `count` keys and values; the keys to evict are [first_evicted, end_evicted).
#[no_mangle]
pub unsafe extern "C" fn perch_concread_write(
    map: &Map,
    keys: *const u64,
    values: *const u64,
    count: usize,
    first_evicted: u64,
    end_evicted: u64,
) {
    map.0.write(
        from_raw_parts(keys, count),
        values,
        first_evicted..end_evicted,
    );
}

/// # Safety
/// There are `count` keys.
#[no_mangle]
pub unsafe extern "C" fn perch_concread_get(map: &Map, keys: *const u64, count: usize) -> u64 {
    map.0.get(from_raw_parts(keys, count))
}

#[no_mangle]
pub extern "C" fn perch_concread_scan(map: &Map) -> u64 {
    map.0.scan()
}

#[no_mangle]
pub extern "C" fn perch_concread_snapshots(map: &Map, times: u64) -> u64 {
    map.0.snapshots(times)
}

#[no_mangle]
pub extern "C" fn perch_concread_hold(map: &'static Map) -> *mut Snapshot {
    Box::into_raw(Box::new(Snapshot(map.0.hold())))
}

/// The versions behind a snapshot are a chain that drops itself recursively, some stack for each: it gets a stack that is
/// large enough.
///
/// # Safety
/// `snapshot` comes from `perch_concread_hold`.
#[no_mangle]
pub unsafe extern "C" fn perch_concread_let_go(snapshot: *mut Snapshot) {
    let snapshot = Box::from_raw(snapshot);
    std::thread::Builder::new()
        .stack_size(4 << 30)
        .spawn(move || drop(snapshot))
        .expect("a thread with a stack of 4 GiB")
        .join()
        .expect("dropping a snapshot does not panic");
}
