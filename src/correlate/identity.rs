//! Identity: claims become owners. Strong keys (pod UID, container id) join always, names only within what they can mean.

use crate::model::facts::Facts;
use crate::model::incident::Join;
use crate::model::{Claim, Owner, When};

/// Every name learnt from every artifact.
pub struct Names {}

impl Names {
    pub fn learn(_facts: &Facts) -> Self {
        Names {}
    }

    pub fn owner(&self, claim: &Claim, _at: &When) -> Owner {
        let own = |s: &Option<Box<str>>| s.as_deref().map(str::to_owned);
        Owner {
            namespace: own(&claim.namespace),
            workload: None,
            pod: own(&claim.pod),
            container: own(&claim.container),
            node: own(&claim.node),
        }
    }

    pub fn joins(&self) -> Vec<Join> {
        Vec::new()
    }
}
