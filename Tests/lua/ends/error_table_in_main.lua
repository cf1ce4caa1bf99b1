-- status: 1
-- stderr: \(error object is a table value\)
-- As stock lua says it.
error({ code = 5 })
