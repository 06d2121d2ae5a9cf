// Package updater decides what should be true of the user's names and makes
// it true.
//
// One [Engine] takes every decision, one [Client] makes every request, one
// [Runner] does all that has effects. Everything else is a value.
//
//  1. The kernel speaks; package wan reads everything anew and compares.
//  2. A different state goes to Engine.Step, which compares what is wanted
//     with what the provider confirmed, per service.
//  3. For each job the journal (package persist) records the intent durably;
//     only then does the request leave. One at a time per account.
//  4. The answer becomes a [Result] per name or a [*Fault], which says what to
//     do next and no more.
//  5. Engine.Step takes it, the journal settles the intent, the status is
//     published. If nothing is due there is no timer: everything sleeps.
//
// Where the WAN's own address is not what the world sees, because a NAT lies
// before it, the engine plans a [Look]: others say how they see this router.
//
// Where nobody knows what is published (on the first start, after a lost store,
// or once a request's outcome stayed unknown), a [Check] comes before the
// request: the provider says it, or the servers of the name's zone do. What is
// published already is not sent, and what nobody can say is sent once.
//
// What a person types (wandns record and its like) goes to the
// provider's abilities (ability.go) without the engine, but asks it first
// ([Reserve]) and tells it of failure ([Heard]), so that both keep one ledger.
//
// # The states of a service
//
//	   not known  +---> verifying ------------------+
//	              |         | not published         | published
//	     address  |         v        answer: good   v
//	no-address ---+-----> sending ----------------> ok
//	     ^                 |  ^  \                   |
//	     | address gone    |  |   \ answer: stop     | other address
//	     +-----------------+  |    v                 v
//	                   time |  |  blocked          sending, or waiting
//	                   up   |  |    | user acts    while it flaps
//	                        |  v    v
//	                       waiting, clock
//
// # What always holds
//
//   - At most one request per account is in flight.
//   - No request leaves before the time that the last answer allows, nor past
//     the provider's limits: changes of a name in a day, requests in an hour,
//     the floor between two. They are counted in the journal; a request whose
//     outcome nobody knows counts as made.
//   - A changed configuration ends the waits that are this program's own caution
//     for that service, and none that its provider demands.
//   - A blocked service is silent until its configuration changes or the user
//     resumes it, over reboots too. A refused login blocks the services that have
//     it, until it is accepted; a refused account or program all of the account.
//   - An address that the provider confirmed for a name is not sent again. An IPv6
//     one that a line lacks, though it has its prefix, is waited for until the line
//     is up for three seconds.
//   - Nothing is sent about a name whose last request's outcome a crash left
//     unknown before it was looked up.
//   - Outside nobody is asked for a service that has a public address, and twice
//     within ten minutes only if the WAN changed, the answer was none, or the user
//     wants it.
//   - What the wall clock says, or is set to, ends no wait and frees no limit. A
//     wait that was stored ends at the latest as long after the start as was left
//     of it. Only a clock that is trusted tells how much of it has passed meanwhile.
//   - The next wake-up lies in the future, and there is none if nothing is due.
package updater
