//! Places in a list by the pod that owns them, in the list's order: what belongs to one pod is looked up, not searched for.
//! Things without a pod are not in it; they are few, and their owners are compared in other ways.

use super::Owner;
use std::collections::BTreeMap;

#[derive(Debug, Clone, Default)]
pub struct ByPod {
    /// By namespace, then by name.
    places: BTreeMap<Option<String>, BTreeMap<String, Vec<usize>>>,
}

impl ByPod {
    /// Of a list, by the owners of its elements.
    pub fn of<'a>(owners: impl Iterator<Item = &'a Owner>) -> Self {
        let mut out = ByPod::default();
        for (at, owner) in owners.enumerate() {
            out.add(owner, at);
        }
        out
    }

    pub fn add(&mut self, owner: &Owner, at: usize) {
        let Some(pod) = &owner.pod else { return };
        if !self.places.contains_key(&owner.namespace) {
            self.places.insert(owner.namespace.clone(), BTreeMap::new());
        }
        let Some(pods) = self.places.get_mut(&owner.namespace) else { return };
        match pods.get_mut(pod) {
            Some(places) => places.push(at),
            None => drop(pods.insert(pod.clone(), vec![at])),
        }
    }

    /// Where the things of this owner's pod stand: exactly those for which [`Owner::same_pod`] holds.
    pub fn get(&self, owner: &Owner) -> &[usize] {
        let pods = self.places.get(&owner.namespace);
        pods.zip(owner.pod.as_ref()).and_then(|(pods, pod)| pods.get(pod)).map_or(&[], Vec::as_slice)
    }

    /// The things themselves, of the list that this was made of.
    pub fn of_pod<'a, T>(&'a self, list: &'a [T], owner: &Owner) -> impl Iterator<Item = &'a T> + use<'a, T> {
        self.get(owner).iter().filter_map(|at| list.get(*at))
    }
}
