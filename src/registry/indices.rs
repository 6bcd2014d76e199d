//! Indices that the databases of earlier builds lack.
//!
//! An index is neither truth nor view: no digest is taken over it, and without it every answer is the same. So
//! nothing has a version because of one, and a database gets those that it lacks when somebody opens it to write.

use std::collections::BTreeSet;

use super::Registry;
use crate::db::{DbError, index_statements};
use crate::error::with_causes;
use crate::monitor::{Monitor, Problem};

impl Registry {
    /// Makes the indices that are missing. The views are those of this build by now.
    pub(super) fn add_indices(&self, monitor: &dyn Monitor) {
        match self.try_add_indices() {
            Ok(()) => {}
            // Somebody else writes, or makes them just now: the next one to open it tries.
            Err(error) if error.is_busy() => {}
            // A full disk, perhaps. It is no reason not to do what was asked for, and no answer is another one.
            Err(error) => monitor.problem(&Problem::Note(format!(
                "the database lacks indices that make questions fast: {}",
                with_causes(&error)
            ))),
        }
    }

    fn try_add_indices(&self) -> Result<(), DbError> {
        let known = "SELECT name FROM sqlite_schema WHERE type = 'index' AND sql IS NOT NULL";
        let found: BTreeSet<String> =
            self.db.read()?.all(known, [], |row| row.get("name"))?.into_iter().collect();
        let schemas = [crate::db::SCHEMA, crate::views::SCHEMA];
        let missing =
            schemas.into_iter().flat_map(index_statements).filter(|(name, _)| !found.contains(*name));
        let missing: Vec<&str> = missing.map(|(_, statement)| statement).collect();
        if missing.is_empty() {
            return Ok(());
        }
        let tx = self.db.write()?;
        missing.iter().try_for_each(|statement| tx.execute_batch(statement))?;
        tx.commit()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::db::Database;
    use crate::views::ViewWriter;

    #[test]
    fn every_index_of_the_schemas_is_found_in_their_text() {
        let db = Database::temporary().unwrap();
        let tx = db.write().unwrap();
        ViewWriter::new(&tx, 0).reset().unwrap();
        tx.execute_batch(crate::db::SCHEMA).unwrap();
        let sql =
            "SELECT name, sql FROM sqlite_schema WHERE type = 'index' AND sql IS NOT NULL ORDER BY name";
        let made: Vec<(String, String)> =
            tx.all(sql, [], |row| Ok((row.get("name")?, row.get("sql")?))).unwrap();
        let mut found: Vec<(String, String)> = [crate::db::SCHEMA, crate::views::SCHEMA]
            .into_iter()
            .flat_map(index_statements)
            .map(|(name, statement)| (name.to_owned(), statement.to_owned()))
            .collect();
        found.sort();
        assert_eq!(found, made);
    }
}
