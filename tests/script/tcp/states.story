# How a connection gets into each state (RFC 9293 section 3.3.2). Each macro sets
#   R  RCV.NXT    S  SND.NXT    U  SND.UNA
# and leaves nothing to be sent. The window offered by either side is 20000, the MSS 1000, SACK is on.

macro CLOSED
  let R 1
  let S 1
  let U 1

macro LISTEN
  listen
  let R 1
  let S 1
  let U 1

macro SYN-SENT
  open
  > S 0:0(0) win 20000 <mss 1000,sackOK>
  let R 1
  let S 1
  let U 0

macro SYN-RECEIVED
  listen
  < S 0:0(0) win 20000 <mss 1000,sackOK>
  > S. 0:0(0) ack 1 win 20000 <mss 1000,sackOK>
  let R 1
  let S 1
  let U 0

macro ESTABLISHED
  use SYN-RECEIVED
  +0.1 < . 1:1(0) ack 1 win 20000
  state ESTABLISHED
  events connected writable
  let U 1

macro FIN-WAIT-1
  use ESTABLISHED
  finish
  > F. 1:1(0) ack 1
  state FIN-WAIT-1
  let S 2

macro FIN-WAIT-2
  use FIN-WAIT-1
  +0.1 < . 1:1(0) ack 2
  state FIN-WAIT-2
  let U 2

macro CLOSE-WAIT
  use ESTABLISHED
  < F. 1:1(0) ack 1
  > . 1:1(0) ack 2
  state CLOSE-WAIT
  let R 2

macro CLOSING
  use FIN-WAIT-1
  < F. 1:1(0) ack 1
  > . 2:2(0) ack 2
  state CLOSING
  let R 2

macro LAST-ACK
  use CLOSE-WAIT
  finish
  > F. 1:1(0) ack 2
  state LAST-ACK
  let S 2

macro TIME-WAIT
  use FIN-WAIT-2
  < F. 1:1(0) ack 2
  > . 2:2(0) ack 2
  state TIME-WAIT
  let R 2

# An active open, for stories that care which side opened.
macro ESTABLISHED-ACTIVE
  use SYN-SENT
  +0.1 < S. 0:0(0) ack 1 win 20000 <mss 1000,sackOK>
  > . 1:1(0) ack 1
  state ESTABLISHED
  let U 1
