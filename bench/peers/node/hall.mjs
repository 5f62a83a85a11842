// What the servers share: the commands that edge flood sends, answered with the same bytes as by bench/baseline.

const client = '00000000-0000-4000-8000-000000000000'

// Hall is the rooms of a server. deliver(members, push) sends the text push to a Set of connections.
export class Hall {
  #rooms = new Map()
  #deliver

  constructor(deliver) {
    this.#deliver = deliver
  }

  #room(name) {
    let room = this.#rooms.get(name)
    if (!room) this.#rooms.set(name, room = new Set())
    return room
  }

  // leave takes a connection out of its room, if it is in one.
  leave(connection) {
    connection.room?.delete(connection)
    connection.room = undefined
  }

  join(connection, name) {
    this.leave(connection)
    connection.room = this.#room(name)
    connection.room.add(connection)
  }

  // publish sends data, JSON text, to a room.
  publish(name, data) {
    const channel = JSON.stringify(name)
    this.#deliver(this.#room(name), `{"push":{"channel":${channel},"pub":{"data":${data},"info":{"user":"","client":"${client}"}}}}`)
  }

  // obey returns the answers to the commands of a message, a line each; '' if there are none.
  obey(connection, message) {
    const answers = []
    for (const line of message.split('\n')) {
      const command = JSON.parse(line)
      if (command.id) answers.push(`{"id":${command.id},${this.#command(connection, command)}}`)
    }
    return answers.join('\n')
  }

  #command(connection, { publish, subscribe, connect }) {
    if (publish) {
      this.publish(publish.channel, JSON.stringify(publish.data))
      return '"publish":{}'
    }
    if (subscribe) {
      this.join(connection, subscribe.channel)
      return '"subscribe":{}'
    }
    if (connect) return `"connect":{"client":"${client}","version":"peer"}`
    return '"error":{"code":108,"message":"not available"}'
  }
}

// listen serves on what stands behind --address, and says on stdout where.
export function listen(server) {
  const at = process.argv[process.argv.indexOf('--address') + 1].split(':')
  server.listen({ host: at[0], port: Number(at[1]), backlog: 4096 }, () => {
    const { address, port } = server.address()
    console.log(`listening on ${address}:${port}`)
  })
}
