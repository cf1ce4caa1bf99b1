-- A module that is an empty table when it is loaded, as many are that programs fill later.
return { made = {} }
