// A server with npm's socket.io, over WebSocket alone and without what the library keeps for other transports. Its broadcasts
// frame a publication once for all.

import { createServer } from 'node:http'
import { Server } from 'socket.io'
import { listen } from './hall.mjs'

const server = createServer()
const io = new Server(server, { transports: ['websocket'], serveClient: false, httpCompression: false })

// The library's documentation recommends this for memory: nobody needs the request any more.
io.engine.on('connection', (socket) => { socket.request = null })

io.on('connection', (socket) => {
  socket.on('subscribe', (room, acknowledge) => {
    socket.join(room)
    acknowledge()
  })
  socket.on('publish', (room, data, acknowledge) => {
    io.to(room).emit('publication', data)
    acknowledge()
  })
})

listen(server)
