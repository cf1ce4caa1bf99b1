import XCTest

@testable import LWKTCore

final class LinkedListTests: XCTestCase {
  private struct Bead {
    let number: Int
    var links = Links<UnsafeMutablePointer<Bead>>()
  }

  private enum OnString: Linkage {
    static func links(of bead: UnsafeMutablePointer<Bead>) -> UnsafeMutablePointer<
      Links<UnsafeMutablePointer<Bead>>
    > {
      addressOf(&bead.pointee.links)
    }
  }

  private var beads: [UnsafeMutablePointer<Bead>] = []

  override func setUp() {
    beads = (0..<40).map { number in
      let bead = UnsafeMutablePointer<Bead>.allocate(capacity: 1)
      bead.initialize(to: Bead(number: number))
      return bead
    }
  }

  override func tearDown() { for bead in beads { bead.deallocate() } }

  /// Any order of operations does what the same does to an array, seen from both ends.
  func testIsAnArray() {
    var random = SystemRandomNumberGenerator()
    for _ in 0..<200 {
      var list = LinkedList<OnString>()
      var wanted: [UnsafeMutablePointer<Bead>] = []
      var done: [String] = []
      for _ in 0..<100 {
        let free = beads.filter { !wanted.contains($0) }.randomElement(using: &random)
        let used = wanted.randomElement(using: &random)
        switch Int.random(in: 0..<5, using: &random) {
        case 0, 1:
          guard let free else { continue }
          done.append("append \(free.pointee.number)")
          list.append(free)
          wanted.append(free)
        case 2:
          guard let free else { continue }
          done.append("prepend \(free.pointee.number)")
          list.prepend(free)
          wanted.insert(free, at: 0)
        case 3:
          guard let used else { continue }
          done.append("remove \(used.pointee.number)")
          list.remove(used)
          wanted.removeAll { $0 == used }
        default:
          done.append("popFirst")
          XCTAssertEqual(list.popFirst(), wanted.isEmpty ? nil : wanted.removeFirst(), "\(done)")
        }
        XCTAssertEqual(Array(list), wanted, "\(done)")
        XCTAssertEqual(list.first, wanted.first, "\(done)")
        XCTAssertEqual(list.last, wanted.last, "\(done)")
        XCTAssertEqual(list.count, wanted.count, "\(done)")
        for (before, after) in zip(wanted, wanted.dropFirst()) {
          XCTAssertEqual(list.next(before), after, "\(done)")
          XCTAssertEqual(after.pointee.links.previous, before, "\(done)")
        }
      }
    }
  }

  /// In a loop over it the present element may go to another list.
  func testIsLeftInALoop() {
    var (from, to) = (LinkedList<OnString>(), LinkedList<OnString>())
    for bead in beads { from.append(bead) }
    for bead in from where bead.pointee.number % 3 == 0 {
      from.remove(bead)
      to.prepend(bead)
    }
    XCTAssertEqual(from.map { $0.pointee.number }, (0..<40).filter { $0 % 3 != 0 })
    XCTAssertEqual(to.map { $0.pointee.number }, (0..<40).filter { $0 % 3 == 0 }.reversed())
  }
}
