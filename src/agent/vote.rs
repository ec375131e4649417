//! Voting: several plans for one question, executed with shared results, and their answers counted
//! (self-consistency, arXiv 2203.11171).

use super::run::Run;
use crate::error::{ErrorKind, Result};
use crate::plan::{Plan, Reference};
use crate::planner::Move;
use crate::refiner::Verdict;
use crate::trace::{Event, Vote};
use crate::words::words;

/// Plans that came out the same.
struct Candidate {
    plan: Plan,
    votes: u32,
}

/// An answer with the plans that led to it.
struct Ballot {
    vote: Vote,
    verdict: Verdict,
    result: Reference,
}

impl Run<'_> {
    /// Samples plans, executes them together, and answers as most of them do.
    ///
    /// Steps that are the same call run once. Plans whose evidence does not answer count only when no other's does.
    /// Of answers with as many votes the one of the most probable plan wins, and the trace says that there was a tie.
    pub(super) async fn vote(&mut self) -> Result<Verdict> {
        let plans = self.sampled().await?;
        let (all, candidates) = self.candidates(plans);
        self.execute(all).await?;
        let mut ballots: Vec<Ballot> = Vec::new();
        for Candidate { plan, votes } in candidates {
            let result = plan.result.clone();
            let verdict = match self.refine_alone(&self.trace.of(plan)).await {
                // A reply that cannot be read answers nothing.
                Err(error) if error.kind() == ErrorKind::Model => {
                    Verdict::NotEnough { missing: error.for_model().to_owned() }
                }
                verdict => verdict?,
            };
            let answer = said(&verdict);
            let same = |ballot: &&mut Ballot| ballot.vote.answer.as_deref().map(key) == answer.as_deref().map(key);
            match ballots.iter_mut().find(same) {
                Some(ballot) => {
                    ballot.vote.plans += votes;
                    ballot.vote.results.push(result.to_string());
                }
                None => {
                    let vote = Vote { answer, plans: votes, results: vec![result.to_string()] };
                    ballots.push(Ballot { vote, verdict, result });
                }
            }
        }
        Ok(self.elected(ballots))
    }

    async fn sampled(&mut self) -> Result<Vec<Plan>> {
        let moves = self.sample(self.task.chain.votes).await?;
        let plans = moves.into_iter().filter_map(|next| match next {
            Move::Plan { plan, repairs } => {
                self.trace.repairs += repairs;
                Some(plan)
            }
            _ => None,
        });
        Ok(plans.collect())
    }

    /// All plans as one, and the different ones among them as they stand in it.
    fn candidates(&self, plans: Vec<Plan>) -> (Plan, Vec<Candidate>) {
        let none = Plan { steps: Vec::new(), result: Reference::to("image") };
        let mut all = self.trace.plan.clone().unwrap_or(none);
        let mut candidates: Vec<Candidate> = Vec::new();
        let mut joined = Vec::with_capacity(plans.len());
        for plan in plans {
            let plan = all.join(plan, |step| self.parts.catalog.is_repeatable(&step.tool));
            joined.push(plan.to_json());
            let same = |other: &&mut Candidate| {
                other.plan.result == plan.result && other.plan.steps.iter().all(|step| plan.step(&step.id).is_some())
            };
            match candidates.iter_mut().find(same) {
                Some(other) => other.votes += 1,
                None => candidates.push(Candidate { plan, votes: 1 }),
            }
        }
        self.cx.emit(Event::Joined { plans: joined }, &[]);
        if let Some(first) = candidates.first() {
            all.result = first.plan.result.clone();
        }
        (all, candidates)
    }

    /// The verdict with the most votes, which the trace tells.
    fn elected(&mut self, mut ballots: Vec<Ballot>) -> Verdict {
        // The sort is stable: of as many votes, the most probable plan's come first.
        ballots.sort_by_key(|ballot| (ballot.vote.answer.is_none(), std::cmp::Reverse(ballot.vote.plans)));
        let most = |ballot: &&Ballot| {
            ballots.first().is_some_and(|first| {
                (first.vote.answer.is_none(), first.vote.plans) == (ballot.vote.answer.is_none(), ballot.vote.plans)
            })
        };
        let tie = ballots.iter().filter(most).count() > 1;
        let votes: Vec<Vote> = ballots.iter().map(|ballot| ballot.vote.clone()).collect();
        self.cx.emit(Event::Voted { votes: votes.clone(), tie }, &[]);
        self.trace.votes = votes;
        let Some(winner) = ballots.into_iter().next() else {
            return Verdict::NotEnough { missing: "no plan came about".to_owned() };
        };
        if let Some(plan) = &mut self.trace.plan {
            plan.result = winner.result;
        }
        self.is_judged();
        winner.verdict
    }
}

/// What a verdict says: the short form of the answer, else its words.
fn said(verdict: &Verdict) -> Option<String> {
    let Verdict::Answer(answer) = verdict else { return None };
    Some(answer.short.clone().unwrap_or_else(|| answer.text.clone()))
}

/// Answers that differ in nothing but case and marks are the same.
pub(super) fn key(answer: &str) -> String {
    words(answer).join(" ")
}
