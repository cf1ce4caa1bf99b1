@usableFromInline func destroyObject(_ o: ObjectRef) {}
