// LinkedList.swift: lists whose elements carry their own links.
//
// Threads, domains, waiters, ports, tokens and tables stand in lists that they leave from the middle at
// any time. With the links in the elements this takes no memory, no search, and no count of references. An
// element has links for each kind of list that it can be in, and is in one list of a kind at a time; those of
// a list that it is not in hold nothing, and may serve another purpose (chains by `runNext`).

/// An element's neighbours in a list. Whoever may touch the list may touch them.
struct Links<Element> {
  var next: Element?
  var previous: Element?
}

/// A kind of list: by which links of its elements, which are pointers, it goes.
protocol Linkage {
  associatedtype Element: Equatable
  static func links(of element: Element) -> UnsafeMutablePointer<Links<Element>>
}

/// In the order that `append` and `prepend` make. Every operation takes constant time. In a loop over it the
/// present element may be removed, and put into another list.
struct LinkedList<Kind: Linkage>: Sequence {
  typealias Element = Kind.Element

  private(set) var first: Element?
  private(set) var last: Element?

  @inline(__always)
  mutating func append(_ element: Element) {
    Kind.links(of: element).pointee = Links(next: nil, previous: last)
    if let last { Kind.links(of: last).pointee.next = element } else { first = element }
    last = element
  }

  @inline(__always)
  mutating func prepend(_ element: Element) {
    Kind.links(of: element).pointee = Links(next: first, previous: nil)
    if let first { Kind.links(of: first).pointee.previous = element } else { last = element }
    first = element
  }

  @inline(__always)
  mutating func remove(_ element: Element) {
    let links = Kind.links(of: element).pointee
    if let next = links.next {
      Kind.links(of: next).pointee.previous = links.previous
    } else {
      last = links.previous
    }
    if let previous = links.previous {
      Kind.links(of: previous).pointee.next = links.next
    } else {
      first = links.next
    }
  }

  /// The first element, taken out.
  @inline(__always)
  mutating func popFirst() -> Element? {
    guard let element = first else { return nil }
    first = Kind.links(of: element).pointee.next
    if let first { Kind.links(of: first).pointee.previous = nil } else { last = nil }
    return element
  }

  /// The one behind `element`.
  @inline(__always)
  func next(_ element: Element) -> Element? { Kind.links(of: element).pointee.next }

  /// - Complexity: O(n)
  var count: Int { reduce(0) { count, _ in count + 1 } }

  func makeIterator() -> Iterator { Iterator(upcoming: first) }

  struct Iterator: IteratorProtocol {
    fileprivate var upcoming: Element?

    mutating func next() -> Element? {
      guard let element = upcoming else { return nil }
      upcoming = Kind.links(of: element).pointee.next
      return element
    }
  }
}
