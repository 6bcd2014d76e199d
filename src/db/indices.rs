//! The indices that a schema makes, as its text has them.

/// Returns name and statement of each, in their order.
pub(crate) fn index_statements(schema: &str) -> impl Iterator<Item = (&str, &str)> {
    const BEGINS: &str = "CREATE INDEX ";
    schema.split(';').filter_map(|part| {
        let statement = &part[part.find(BEGINS)?..];
        Some((statement[BEGINS.len()..].split_whitespace().next()?, statement))
    })
}
