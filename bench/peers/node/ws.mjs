// A server with npm's ws: no compression, no list of clients, and the frame of a fan-out made once. The library has no
// public way to send such a frame; past it is as ordered, as without compression nothing waits inside.

import { createServer } from 'node:http'
import { Sender, WebSocketServer } from 'ws'
import { Hall, listen } from './hall.mjs'

const hall = new Hall((members, push) => {
  const frame = Buffer.concat(Sender.frame(Buffer.from(push), { fin: true, opcode: 1, mask: false, readOnly: true, rsv1: false }))
  for (const connection of members) connection._socket.write(frame)
})

const sockets = new WebSocketServer({ noServer: true, perMessageDeflate: false, clientTracking: false })
const server = createServer()

server.on('upgrade', (request, socket, head) => {
  sockets.handleUpgrade(request, socket, head, (connection) => {
    connection.on('error', () => {}) // a broken socket closes
    if (request.url === '/echo') {
      connection.on('message', (data, binary) => connection.send(data, { binary }))
      return
    }
    connection.on('message', (data) => {
      const answers = hall.obey(connection, data.toString())
      if (answers) connection.send(answers)
    })
    connection.on('close', () => hall.leave(connection))
  })
})

listen(server)
