//! What a gc would take: a plan is a value, named by a digest of its content. Pure: it is made of what the views
//! and the directories said; it deletes nothing and knows nobody who does.

mod plan;
mod survey;

pub use plan::{Candidate, ParsePlanNameError, Plan, PlanName};
pub use survey::{Keeping, PackageFacts, Roots, Sum, Survey, Surveyed, SurveyedObject, TooYoung};
