// ThreadPath.swift: names by descent.

import Synchronization

/// One step in the names of a thread's children: who created it, and as which child. Counted, because
/// children outlive their parents and keep their names. Most threads have no children, and so none.
struct ThreadPath: ~Copyable {
  let references = Atomic<Int32>(1)
  /// One reference, nil for a root.
  let parent: ThreadPathRef?
  let number: UInt32
  /// How many children have been named. The thread itself, or whoever creates for it.
  var children: UInt32 = 0
}

typealias ThreadPathRef = UnsafeMutablePointer<ThreadPath>

extension UnsafeMutablePointer where Pointee == ThreadPath {
  /// A path with one reference, the caller's. Takes over the caller's reference to `parent`.
  static func make(parent: ThreadPathRef?, number: UInt32) -> ThreadPathRef {
    let path = ThreadPathRef.allocate(capacity: 1)
    path.initialize(to: ThreadPath(parent: parent, number: number))
    return path
  }

  func retain() { pointee.references.add(1, ordering: .relaxed) }

  /// Give a reference back. Iterative: a chain of generations may be long.
  func release() {
    var node: ThreadPathRef? = self
    while let path = node {
      guard
        path.pointee.references.subtract(1, ordering: .acquiringAndReleasing).oldValue == 1
      else { return }
      node = path.pointee.parent
      path.deinitialize(count: 1)
      path.deallocate()
    }
  }
}

extension ThreadPath {
  /// `1.4.2`. Very deep paths are shown with their middle left out.
  static func text(parent: ThreadPathRef?, number: UInt32) -> String {
    var numbers = [number]
    var node = parent
    while let path = node {
      numbers.append(path.pointee.number)
      node = path.pointee.parent
    }
    numbers.reverse()
    guard numbers.count > 64 else { return numbers.map { String($0) }.joined(separator: ".") }
    let head = numbers.prefix(8).map { String($0) }.joined(separator: ".")
    let tail = numbers.suffix(8).map { String($0) }.joined(separator: ".")
    return head + "...(" + String(numbers.count - 16) + ")..." + tail
  }
}
