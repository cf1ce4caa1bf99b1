// SharedObject.swift: values that threads share.

func destroySharedObject(_ object: ObjectRef) {}
