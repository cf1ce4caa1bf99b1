@usableFromInline func destroyObject(_ o: ObjectRef) {
  if o.objectKind == .code { destroyCode(o) }
}
