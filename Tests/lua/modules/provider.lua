-- Provides the table that the module `modules.provided` fills.
return { class = {}, name = "provider" }
