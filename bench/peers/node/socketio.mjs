// A server with npm's socket.io and the events that an edge without an application knows, which keeps nobody's history, and echo. Its
// broadcasts frame a publication once for all.
//
//   node socketio.mjs --address 127.0.0.1:8000 [--transports polling,websocket] [--recovery]

import { createServer } from 'node:http'
import { Server } from 'socket.io'
import { listen } from './hall.mjs'

const at = process.argv.indexOf('--transports')
const server = createServer()
const io = new Server(server, {
  transports: at < 0 ? ['websocket'] : process.argv[at + 1].split(','),
  serveClient: false,
  httpCompression: false,
  ...(process.argv.includes('--recovery') && { connectionStateRecovery: {} })
})

// The library's documentation recommends this for memory: nobody needs the request any more.
io.engine.on('connection', (socket) => { if (socket.transport.name === 'websocket') socket.request = null })

io.on('connection', (socket) => {
  socket.on('join', ({ room }, acknowledge) => {
    socket.join(room)
    acknowledge({ ok: true })
  })
  socket.on('publish', ({ room, data }, acknowledge) => {
    io.to(room).emit('publication', data)
    acknowledge({ ok: true })
  })
  socket.on('typing', ({ room }, acknowledge) => {
    io.to(room).emit('typing', { room })
    acknowledge({ ok: true })
  })
  socket.on('presence', ({ room }, acknowledge) => acknowledge({ clients: io.of('/').adapter.rooms.get(room)?.size ?? 0 }))
  socket.on('history', (_, acknowledge) => acknowledge({ publications: [] }))
  socket.on('echo', (data, acknowledge) => acknowledge(data))
})

listen(server)
