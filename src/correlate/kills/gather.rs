//! The endings gathered so far. Every pass asks the same two things of it: whether one of them is the ending that its witness
//! tells of, and if none is, to keep a new one.

use crate::model::Owner;
use crate::model::by_pod::ByPod;
use crate::model::kill::Kill;

pub(super) struct Kills {
    list: Vec<Kill>,
    by_pod: ByPod,
}

impl Kills {
    pub fn of(list: Vec<Kill>) -> Self {
        let by_pod = ByPod::of(list.iter().map(|k| &k.owner));
        Kills { list, by_pod }
    }

    pub fn into_list(self) -> Vec<Kill> {
        self.list
    }

    pub fn iter(&self) -> impl Iterator<Item = &Kill> {
        self.list.iter()
    }

    /// Keeps one more and tells its place.
    pub fn add(&mut self, k: Kill) -> usize {
        let at = self.list.len();
        self.by_pod.add(&k.owner, at);
        self.list.push(k);
        at
    }

    pub fn get_mut(&mut self, at: usize) -> Option<&mut Kill> {
        self.list.get_mut(at)
    }

    /// Those of the owner's pod with their places, in the order they were added.
    pub fn of_pod(&self, owner: &Owner) -> impl DoubleEndedIterator<Item = (usize, &Kill)> {
        self.by_pod.get(owner).iter().filter_map(|at| Some((*at, self.list.get(*at)?)))
    }

    /// The first that fits: of the owner's pod, or of all where it has none.
    pub fn find(&mut self, owner: &Owner, fits: impl Fn(&Kill) -> bool) -> Option<&mut Kill> {
        let at = match owner.pod {
            Some(_) => self.of_pod(owner).find(|(_, k)| fits(k)).map(|(at, _)| at),
            None => self.list.iter().position(fits),
        };
        self.list.get_mut(at?)
    }

    /// The last that fits, as [`Kills::find`] the first.
    pub fn find_last(&mut self, owner: &Owner, fits: impl Fn(&Kill) -> bool) -> Option<&mut Kill> {
        let at = match owner.pod {
            Some(_) => self.of_pod(owner).rev().find(|(_, k)| fits(k)).map(|(at, _)| at),
            None => self.list.iter().rposition(fits),
        };
        self.list.get_mut(at?)
    }

    /// Changes what is to be changed in each; owners may change, too.
    pub fn each(&mut self, change: impl FnMut(&mut Kill)) {
        self.list.iter_mut().for_each(change);
        self.by_pod = ByPod::of(self.list.iter().map(|k| &k.owner));
    }
}
