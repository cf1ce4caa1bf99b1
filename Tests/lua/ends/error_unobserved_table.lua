-- status: 1
-- stderr: 1\.1
-- stderr: error object is a table value
-- An unnamed thread and an error without words.
lwkt.create(function() error({}) end)
