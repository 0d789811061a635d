//! A bounded table with keys that never come back: an index with a generation.
//!
//! A key of an entry that has gone finds nothing, even when its place was taken again; so a late timer or a
//! late packet cannot reach a stranger's call.

/// Where an entry is, and which of the place's tenants it is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Key {
    index: u32,
    generation: u32,
}

impl Key {
    /// The place in the table, for arrays laid out beside it.
    pub fn index(self) -> usize {
        self.index as usize
    }

    /// One number for logs and maps across threads; [`Key::from_u64`] reverses it.
    pub fn to_u64(self) -> u64 {
        u64::from(self.generation) << 32 | u64::from(self.index)
    }

    /// The key that [`Key::to_u64`] made the number of.
    pub const fn from_u64(raw: u64) -> Key {
        Key { index: raw as u32, generation: (raw >> 32) as u32 }
    }
}

/// The table. It never holds more than its limit.
#[derive(Debug)]
pub struct Slab<T> {
    places: Vec<Place<T>>,
    free: Vec<u32>,
    limit: usize,
}

#[derive(Debug)]
struct Place<T> {
    generation: u32,
    entry: Option<T>,
}

impl<T> Slab<T> {
    /// An empty table for at most `limit` entries.
    pub fn with_limit(limit: usize) -> Self {
        Slab { places: Vec::new(), free: Vec::new(), limit: limit.min(u32::MAX as usize) }
    }

    /// Puts `entry` in; gives it back when the table is full.
    pub fn insert(&mut self, entry: T) -> Result<Key, T> {
        let index = match self.free.pop() {
            Some(index) => index,
            None if self.places.len() < self.limit => {
                self.places.push(Place { generation: 0, entry: None });
                (self.places.len() - 1) as u32
            }
            None => return Err(entry),
        };
        let place = &mut self.places[index as usize];
        place.entry = Some(entry);
        Ok(Key { index, generation: place.generation })
    }

    /// Takes the entry out; its key is void from now on.
    pub fn remove(&mut self, key: Key) -> Option<T> {
        let place = self.places.get_mut(key.index())?;
        if place.generation != key.generation {
            return None;
        }
        let entry = place.entry.take()?;
        place.generation = place.generation.wrapping_add(1);
        self.free.push(key.index);
        Some(entry)
    }

    /// The entry of `key`.
    pub fn get(&self, key: Key) -> Option<&T> {
        let place = self.places.get(key.index())?;
        if place.generation == key.generation { place.entry.as_ref() } else { None }
    }

    /// The entry of `key`, to change.
    pub fn get_mut(&mut self, key: Key) -> Option<&mut T> {
        let place = self.places.get_mut(key.index())?;
        if place.generation == key.generation { place.entry.as_mut() } else { None }
    }

    /// All entries in the order of their places.
    pub fn iter(&self) -> impl Iterator<Item = (Key, &T)> {
        self.places.iter().enumerate().filter_map(|(index, place)| {
            let key = Key { index: index as u32, generation: place.generation };
            place.entry.as_ref().map(|entry| (key, entry))
        })
    }

    /// All entries in the order of their places, to change.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = (Key, &mut T)> {
        self.places.iter_mut().enumerate().filter_map(|(index, place)| {
            let key = Key { index: index as u32, generation: place.generation };
            place.entry.as_mut().map(|entry| (key, entry))
        })
    }

    /// How many entries there are.
    pub fn len(&self) -> usize {
        self.places.len() - self.free.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The most there may be.
    pub fn limit(&self) -> usize {
        self.limit
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_does_not_find_the_next_tenant() {
        let mut slab = Slab::with_limit(1);
        let first = slab.insert("first").unwrap();
        assert_eq!(slab.remove(first), Some("first"));
        let second = slab.insert("second").unwrap();
        assert_eq!(first.index(), second.index());
        assert_eq!(slab.get(first), None);
        assert_eq!(slab.remove(first), None);
        assert_eq!(slab.get(second), Some(&"second"));
        assert_eq!(Key::from_u64(second.to_u64()), second);
    }

    #[test]
    fn a_full_table_gives_the_entry_back() {
        let mut slab = Slab::with_limit(2);
        slab.insert(1).unwrap();
        slab.insert(2).unwrap();
        assert_eq!(slab.insert(3), Err(3));
        assert_eq!(slab.len(), 2);
    }
}
