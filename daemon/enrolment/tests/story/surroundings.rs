//! What happens around the person in a story: the directory, the clock, the configuration.

use super::player::{POPULATIONS, Player};
use super::{ADDRESSES, BEGINNINGS, Change, Reload, Wait};
use crate::common;
use jiff::SignedDuration;
use jiff::tz::TimeZone;
use parvis_enrolment::deadline::Validity;
use parvis_enrolment::policy::{Forwarding, Population};
use parvis_enrolment::{Event, Sighting, Standing};

impl Player {
    pub fn write(&mut self, standing: Standing, change: Change, seen: bool) -> Result<(), String> {
        let profile = &mut self.world.profile;
        match change {
            Change::Nothing => {}
            Change::Population(which) => profile.population = Some(POPULATIONS[which].to_owned()),
            Change::NoPopulation => profile.population = None,
            Change::Login => profile.login.push('x'),
            Change::Marker => profile.marker = Some(format!("marked at {}", self.world.stamp)),
            Change::Offered(which) => profile.offered = which.map(|which| ADDRESSES[which].to_owned()),
        }
        self.standing = standing;
        self.world.stamp += 1;
        let now = self.world.sighting(standing, false);
        self.history.push(now.clone());
        if seen { self.deliver(now) } else { Ok(()) }
    }

    pub fn deliver(&mut self, sighting: Sighting) -> Result<(), String> {
        self.tell(&Event::Sighted(sighting), false).map(|_| ())
    }

    /// Once more all that was delivered, in some order; then again in another: the second time nothing may happen
    /// that reaches a person.
    pub fn resynchronise(&mut self, turn: usize) -> Result<(), String> {
        let mut all = self.delivered.clone();
        all.dedup();
        all.truncate(40);
        for again in [false, true] {
            if let Some(middle) = (turn + usize::from(again)).checked_rem(all.len()) {
                all.rotate_left(middle);
            }
            if turn % 2 == 1 {
                all.reverse();
            }
            self.ledger.quiet = again;
            for sighting in &all {
                self.deliver(sighting.clone())?;
            }
            self.ledger.quiet = false;
        }
        let mut seen = Vec::new();
        self.delivered.retain(|sighting| {
            let new = !seen.contains(sighting);
            seen.push(sighting.clone());
            new
        });
        Ok(())
    }

    pub fn wait(&mut self, wait: &Wait) {
        let now = self.world.now;
        self.world.now = match wait {
            Wait::Seconds(seconds) => now + SignedDuration::from_secs(*seconds),
            Wait::Hours(hours) => now + SignedDuration::from_hours(*hours),
            Wait::Days(days) => now + SignedDuration::from_hours(24 * days),
            Wait::Midnight(seconds) => {
                let here = now.to_zoned(self.world.policy.zone.clone());
                let morning = here.end_of_day().expect("every day ends").timestamp();
                (morning + SignedDuration::new(*seconds, 1)).max(now)
            }
        };
    }

    pub fn reload(&mut self, reload: Reload) {
        let policy = &mut self.world.policy;
        match reload {
            Reload::Charter => policy.charter = common::charter(&format!("{}'", policy.charter.version)),
            Reload::Population { which, mailbox, forwarding, invite } => {
                let forwarding = [Forwarding::Off, Forwarding::Optional, Forwarding::Required][forwarding];
                for people in policy.populations.iter_mut().filter(|p| p.name == POPULATIONS[which]) {
                    *people = Population { name: people.name.clone(), mailbox, forwarding, invite };
                }
            }
            Reload::Without(which) => {
                policy.populations.append(&mut self.lost);
                if let Some(at) = policy.populations.iter().position(|p| p.name == POPULATIONS[which]) {
                    self.lost.push(policy.populations.remove(at));
                }
            }
            Reload::Validity(which) => {
                policy.recovery = match which {
                    0 => Validity::SameDay { minimum: SignedDuration::from_hours(1) },
                    1 => Validity::NextDay,
                    2 => Validity::For(SignedDuration::from_hours(3)),
                    _ => Validity::SameDay { minimum: SignedDuration::ZERO },
                };
                policy.forward = policy.recovery.clone();
            }
            Reload::Anywhere(anywhere) => policy.recovery_continues_anywhere = anywhere,
            Reload::Zone(which) => {
                policy.zone = TimeZone::get(BEGINNINGS[which].0).expect("the bundled zones have it");
            }
        }
    }
}
