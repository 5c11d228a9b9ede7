//! Decides which request gets which fault.

use std::collections::HashMap;

use fastrand::Rng;

use super::{Fault, InvalidFault, Kind, Target};
use crate::hash;

/// The faults of a server and those that requests named themselves, each with its state.
#[derive(Debug, Default)]
pub(crate) struct Schedule {
    configured: Vec<FaultState>,
    /// By their text, so that a retry with the same header is counted.
    from_headers: HashMap<String, FaultState>,
}

#[derive(Debug)]
struct FaultState {
    fault: Fault,
    requests: u64,
    random: Rng,
}

impl Schedule {
    pub(crate) fn new(faults: Vec<Fault>) -> Self {
        Self { configured: faults.into_iter().map(FaultState::new).collect(), from_headers: HashMap::new() }
    }

    pub(crate) fn push(&mut self, fault: Fault) {
        self.configured.push(FaultState::new(fault));
    }

    /// The fault of the next request: the first one that is due. Those behind it do not see the request, nor do those of other
    /// targets.
    pub(crate) fn next(&mut self, target: Target) -> Option<Kind> {
        let mut faults = self.configured.iter_mut().filter(|state| state.fault.kind.applies_to(target));
        faults.find_map(FaultState::next)
    }

    /// The fault of the next request, which names one in its header.
    pub(crate) fn next_from_header(
        &mut self,
        spec: &str,
        target: Target,
    ) -> Result<Option<Kind>, InvalidFault> {
        if !self.from_headers.contains_key(spec) {
            self.from_headers.insert(spec.to_owned(), FaultState::new(spec.parse()?));
        }
        let fault = self.from_headers.get_mut(spec).filter(|state| state.fault.kind.applies_to(target));
        Ok(fault.and_then(FaultState::next))
    }
}

impl FaultState {
    fn new(fault: Fault) -> Self {
        // The fault's seed is part of its text.
        let random = Rng::with_seed(hash::hash(&[fault.spec.as_bytes()]));
        Self { fault, requests: 0, random }
    }

    fn next(&mut self) -> Option<Kind> {
        let Fault { kind, times, probability, .. } = &self.fault;
        let turn = self.requests;
        self.requests += 1;
        // A number below 1: a probability of 1 always hits, one of 0 never.
        let is_hit = self.random.f64() < *probability;
        (times.is_none_or(|times| turn < times) && is_hit).then(|| kind.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HTTP: Target = Target::Http { is_continuation: false };

    /// The status of each of this many requests; 200 without a fault.
    fn statuses(faults: &[&str], requests: usize) -> Vec<u16> {
        let mut schedule = Schedule::new(faults.iter().map(|spec| spec.parse().unwrap()).collect());
        let status = |fault: Option<Kind>| match fault {
            Some(Kind::Status { status, .. }) => status,
            _ => 200,
        };
        (0..requests).map(|_| status(schedule.next(HTTP))).collect()
    }

    #[test]
    fn the_first_fault_that_is_due_is_injected() {
        let check =
            |faults: &[&str], expected: &[u16]| assert_eq!(statuses(faults, expected.len()), expected);
        check(&[], &[200, 200]);
        check(&["status=500"], &[500, 500]);
        check(&["status=500,times=1", "status=429,times=2"], &[500, 429, 429, 200]);
        check(&["status=500", "status=429"], &[500, 500]);
        check(&["status=500,probability=0", "status=429"], &[429, 429]);
    }

    #[test]
    fn a_probability_hits_its_part_the_same_way_every_time() {
        let hits = |spec: &str| statuses(&[spec], 10_000);
        let first = hits("status=500,probability=0.3,seed=1");
        let number = first.iter().filter(|status| **status == 500).count();
        assert!((2_800..3_200).contains(&number), "{number}");
        assert_eq!(first, hits("status=500,probability=0.3,seed=1"));
        assert_ne!(first, hits("status=500,probability=0.3,seed=2"));
    }

    #[test]
    fn the_fault_of_a_header_is_counted_by_its_text() {
        let mut schedule = Schedule::default();
        let mut hit = |spec: &str| schedule.next_from_header(spec, HTTP).map(|fault| fault.is_some());
        assert_eq!(hit("stall,times=1"), Ok(true));
        assert_eq!(hit("stall,times=1"), Ok(false));
        assert_eq!(hit("garbage,times=1"), Ok(true));
        assert!(hit("nonsense").is_err());
    }

    #[test]
    fn a_fault_sees_the_requests_of_its_target_alone() {
        let targets = [
            HTTP,
            Target::Http { is_continuation: true },
            Target::Upgrade,
            Target::Message { is_continuation: false },
            Target::Message { is_continuation: true },
        ];
        let check = |spec: &str, expected: [bool; 5]| {
            let hit = |target| Schedule::new(vec![spec.parse().unwrap()]).next(target).is_some();
            assert_eq!(targets.map(hit), expected, "{spec}");
        };
        check("status=500", [true, true, false, true, true]);
        check("truncate", [true, true, false, true, true]);
        check("content-type=text/html", [true, true, false, false, false]);
        check("refuse=404", [false, false, true, false, false]);
        check("half-open", [false, false, true, false, false]);
        check("connection-limit", [false, false, false, true, true]);
        check("busy", [false, false, false, true, true]);
        check("previous-not-found", [false, true, false, false, true]);
        let mut schedule = Schedule::new(vec!["refuse=404,times=1".parse().unwrap()]);
        assert_eq!(schedule.next(HTTP), None);
        assert!(schedule.next(Target::Upgrade).is_some());
        assert_eq!(schedule.next(Target::Upgrade), None);
    }
}
