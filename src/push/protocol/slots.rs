//! Keeps one push service from slowing the others: a bound on the requests under way to each origin. A service that
//! has not answered yet gets an eighth of it, and one more place with each answer; one that falls silent begins
//! again. So many services can be dead at once before they hold everything that may be under way. Kept in memory,
//! and forgotten when nothing is under way.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
};

use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::Instant,
};

/// Origins remembered at most.
const MOST_ORIGINS: usize = 1_024;
/// The part of its places that an origin has before it answers.
const AT_FIRST: usize = 8;
/// How often one that waits for a place looks whether the origin still moves.
const LOOK: std::time::Duration = std::time::Duration::from_millis(250);
/// A full origin that gave no place back for so long stands still.
const STANDS_STILL: std::time::Duration = std::time::Duration::from_secs(1);
/// Longest wait at an origin that moves, but slowly.
const MOST_WAIT: std::time::Duration = std::time::Duration::from_secs(2);

/// A place among the requests under way to an origin, given back when dropped.
pub struct Slot {
    permit: Option<OwnedSemaphorePermit>,
    places: Arc<Places>,
    place: usize,
}

impl Slot {
    /// How many others were under way to this origin when it was taken.
    pub fn place(&self) -> usize {
        self.place
    }

    /// The origin answered, whatever it said: there is room for one more.
    pub fn answered(&self) {
        let mut room = self.places.room();
        if room.open < self.places.most {
            room.wanted = room.open + 1;
            room.open += 1;
            self.places.semaphore.add_permits(1);
        }
    }

    /// The origin did not answer: as many places as at first, once those that are too many come back.
    pub fn silent(&self) {
        let mut room = self.places.room();
        room.wanted = room.wanted.min(self.places.first);
        room.open -= self.places.semaphore.forget_permits(room.open.saturating_sub(room.wanted));
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut room = self.places.room();
        room.freed = Instant::now();
        if room.open > room.wanted
            && let Some(permit) = self.permit.take()
        {
            permit.forget();
            room.open -= 1;
        }
    }
}

/// The places at one origin.
struct Places {
    semaphore: Arc<Semaphore>,
    room: Mutex<Room>,
    first: usize,
    most: usize,
}

struct Room {
    /// How many places there are.
    open: usize,
    /// How many there are to be.
    wanted: usize,
    /// When one was given back last.
    freed: Instant,
}

impl Places {
    fn new(most: usize) -> Self {
        let first = most.div_ceil(AT_FIRST);
        let room = Mutex::new(Room { open: first, wanted: first, freed: Instant::now() });
        Self { semaphore: Arc::new(Semaphore::new(first)), room, first, most }
    }

    fn room(&self) -> MutexGuard<'_, Room> {
        self.room.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Bounds the requests under way to each origin.
pub struct OriginSlots {
    per_origin: usize,
    // Weak, so that an origin without requests under way leaves nothing but its name behind.
    origins: Mutex<HashMap<String, Weak<Places>>>,
}

impl OriginSlots {
    /// At most `per_origin` requests at once to one origin, and at least one.
    pub fn new(per_origin: usize) -> Self {
        Self { per_origin: per_origin.clamp(1, Semaphore::MAX_PERMITS), origins: Mutex::default() }
    }

    /// Waits for a place; only requests to the same origin are waited for. Nobody queues at an origin that stands still,
    /// or for long at one that is slow, because what waits there keeps others from being sent. Nothing if there was no
    /// place, or if `give_up` came first.
    pub async fn enter(&self, origin: &str, give_up: impl Future<Output = ()>) -> Option<Slot> {
        let places = self.places(origin);
        let begun = Instant::now();
        let mut permit = std::pin::pin!(places.semaphore.clone().acquire_owned());
        let mut give_up = std::pin::pin!(give_up);
        loop {
            tokio::select! {
                biased;
                permit = &mut permit => {
                    let open = places.room().open;
                    let place = open.saturating_sub(places.semaphore.available_permits() + 1);
                    return Some(Slot { permit: permit.ok(), places: places.clone(), place });
                }
                () = &mut give_up => return None,
                () = look() => {}
            }
            let still = places.room().freed.elapsed() >= STANDS_STILL;
            if still || begun.elapsed() >= MOST_WAIT {
                return None;
            }
        }
    }

    fn places(&self, origin: &str) -> Arc<Places> {
        let mut origins = self.origins.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(places) = origins.get(origin).and_then(Weak::upgrade) {
            return places;
        }
        if origins.len() >= MOST_ORIGINS {
            origins.retain(|_, places| places.strong_count() > 0);
        }
        let places = Arc::new(Places::new(self.per_origin));
        origins.insert(origin.to_owned(), Arc::downgrade(&places));
        places
    }
}

#[expect(clippy::disallowed_methods, reason = "how long somebody waits, in real time")]
async fn look() {
    tokio::time::sleep(LOOK).await;
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    const ONE: &str = "https://one.example";

    async fn enter(slots: &OriginSlots, origin: &str) -> Option<Slot> {
        slots.enter(origin, std::future::pending()).await
    }

    /// All places that are free now.
    fn enter_all(slots: &OriginSlots) -> Vec<Slot> {
        std::iter::from_fn(|| enter(slots, ONE).now_or_never().flatten()).collect()
    }

    #[tokio::test]
    async fn a_full_origin_makes_only_its_own_requests_wait() {
        let slots = OriginSlots::new(16);
        let first = enter(&slots, ONE).await;
        let _second = enter(&slots, ONE).await;
        assert!(enter(&slots, ONE).now_or_never().is_none());
        assert!(enter(&slots, "https://two.example").now_or_never().is_some());
        drop(first);
        assert!(enter(&slots, ONE).now_or_never().is_some());
    }

    #[tokio::test]
    async fn places_grow_with_answers_and_shrink_in_silence() {
        let slots = OriginSlots::new(16);
        // Something is under way throughout: nothing is forgotten.
        let _held = enter(&slots, ONE).await;
        let counts: Vec<usize> = (0..5)
            .map(|_| {
                let held = enter_all(&slots);
                held.iter().for_each(Slot::answered);
                held.len() + 1
            })
            .collect();
        assert_eq!(counts, [2, 3, 5, 9, 16], "each answer makes room for one more");
        let held = enter_all(&slots);
        assert_eq!(held.last().unwrap().place(), 15);
        held[0].silent();
        drop(held);
        assert_eq!(enter_all(&slots).len() + 1, 2, "what was under way does not come back");
        let held = enter_all(&slots);
        held[0].silent();
        held[0].answered();
        drop(held);
        assert_eq!(enter_all(&slots).len() + 1, 3);
    }

    #[tokio::test]
    async fn free_places_go_at_once_in_silence() {
        let slots = OriginSlots::new(8);
        let held = enter(&slots, ONE).await.unwrap();
        (0..20).for_each(|_| held.answered());
        held.silent();
        assert!(enter(&slots, ONE).now_or_never().is_none());
    }

    #[tokio::test]
    async fn nobody_queues_at_an_origin_that_stands_still() {
        let slots = OriginSlots::new(1);
        let held = enter(&slots, ONE).await;
        let begun = Instant::now();
        assert!(enter(&slots, ONE).await.is_none());
        assert!(begun.elapsed() >= STANDS_STILL, "it may only have been slow");
        drop(held);
        let _held = enter(&slots, ONE).await;
        assert!(slots.enter(ONE, async {}).await.is_none(), "whoever gives up does not wait");
    }

    #[tokio::test]
    async fn nobody_queues_for_long_at_an_origin_that_is_slow() {
        let slots = Arc::new(OriginSlots::new(1));
        let queue = (0..16).map(|_| async {
            let slot = enter(&slots, ONE).await;
            if slot.is_some() {
                look().await;
            }
            slot.is_some()
        });
        // Each gives its place back soon, so that the origin never stands still; all of them would take four seconds.
        let entered = futures_util::future::join_all(queue).await;
        assert!(entered[0]);
        assert!(!entered[15], "it waited for its turn");
    }

    #[tokio::test]
    async fn origins_without_requests_are_forgotten() {
        let slots = OriginSlots::new(0);
        let _held = enter(&slots, ONE).await;
        for number in 0..MOST_ORIGINS * 3 {
            enter(&slots, &format!("https://{number}.example")).await;
        }
        assert!(slots.origins.lock().unwrap().len() <= MOST_ORIGINS);
        assert!(enter(&slots, ONE).now_or_never().is_none());
    }
}
