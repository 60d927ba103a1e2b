"""Ways to ask for steps, each with the outline of its graph."""

PAIR = """
async def pair(self, step):
    await step.do("first", f)
    await step.do("second", f)
"""

CASES = {
    "an argument comes before its step": (
        'await step.do("outer", f, await step.do("inner", f))',
        "do inner\ndo outer",
    ),
    "names are computed": (
        """
        await step.do(f"a {x} b", f)
        await step.do("c " + y, f)
        await step.do(z, f)
        """,
        "do a {x} b\ndo c {y}\ndo {z}",
    ),
    "options are said": (
        """
        await step.do("charge", f, retries=Retries(limit=1), timeout=30, rollback=self.refund)
        await step.map("each", f, event.payload, concurrency=3)
        """,
        "do charge (1 retry, timeout 30) undo self.refund\ndo each each event.payload",
    ),
    "gather of a list that is filled in a loop": (
        """
        tasks = []
        for x in xs:
            if x:
                tasks.append(step.do(f"a {x}", f))
        tasks += [step.do("last", f)]
        await gather(*tasks, return_exceptions=True)
        """,
        """
        parallel
          [each x of xs, if x]
            do a {x}
          []
            do last
        """,
    ),
    "gather of a dict's values": (
        """
        tasks = {x: step.do(f"a {x}", f) for x in xs}
        await asyncio.gather(*tasks.values())
        """,
        "parallel\n[each x of xs]\ndo a {x}",
    ),
    "a task group": (
        """
        async with TaskGroup() as group:
            for x in xs:
                group.create_task(step.do(f"in {x}", f))
            group.create_task(self.pair(step))
            await step.do("beside", f)
        await step.do("after", f)
        """,
        """
        parallel
          []
            do beside
          [each x of xs]
            do in {x}
          []
            do first
            do second
        do after
        """,
    ),
    "tasks that go on beside what follows": (
        """
        a = asyncio.create_task(step.do("a", f))
        await step.do("b", f)
        await a
        """,
        "background goes on beside what follows\n[]\ndo a\ndo b",
    ),
    "a race": (
        """
        first = await step.race(
            step.sleep("patience", "1 minute"),
            self.pair(step),
            step.wait_for_event("answer", type="go", timeout="1 hour"),
        )
        """,
        """
        race
          []
            sleep patience (1 minute)
          []
            do first
            do second
          []
            wait answer (go, 1 hour at most)
        """,
    ),
    "as they complete": (
        """
        for done in asyncio.as_completed([step.do("a", f), step.do("b", f)]):
            await done
        """,
        "parallel\n[]\ndo a\n[]\ndo b",
    ),
    "one of two, in one expression": (
        'x = await step.do("yes", f) if ok else await step.do("no", f)',
        "branch\n[ok]\ndo yes\n[otherwise]\ndo no",
    ),
    "one of two, awaited later": (
        """
        if ok:
            c = step.do("yes", f)
        else:
            c = step.do("no", f)
        await c
        """,
        "branch\n[ok]\ndo yes\n[otherwise]\ndo no",
    ),
    "elif": (
        """
        if a:
            await step.do("a", f)
        elif b:
            await step.do("b", f)
        else:
            await step.do("c", f)
        """,
        "branch\n[a]\ndo a\n[b]\ndo b\n[otherwise]\ndo c",
    ),
    "only if the first is true": (
        'ok and await step.do("then", f)',
        "branch\n[if ok]\ndo then\n[otherwise]",
    ),
    "match": (
        """
        match event.payload:
            case {"kind": "a"}:
                await step.do("a", f)
            case [1, *_] if ok:
                await step.do("b", f)
            case _:
                raise ValueError("no")
        """,
        """
        branch
          [event.payload is {'kind': 'a'}]
            do a
          [event.payload is [1, *_] if ok]
            do b
          [otherwise]
            end raise ValueError('no')
        """,
    ),
    "errors": (
        """
        try:
            await step.do("try", f)
        except (ValueError, KeyError) as error:
            await step.do("recover", f)
        finally:
            await step.do("finally", f)
        """,
        """
        try
          []
            do try
          [after (ValueError, KeyError)]
            do recover
        do finally
        """,
    ),
    "errors that are only noted need no line": (
        """
        try:
            await step.do("try", f)
        except ValueError as error:
            failures.append(error)
        """,
        "do try",
    ),
    "loops with ways out": (
        """
        while True:
            done = await step.do("poll", f)
            if done:
                break
            await step.sleep("between", "5 minutes")
        for i in range(3):
            if i:
                continue
            await step.do("looped", f)
        """,
        """
        loop while True
          []
            do poll
            branch
              [done]
                end break
              [otherwise]
            sleep between (5 minutes)
        loop each i of range(3)
          []
            branch
              [i]
                end continue
              [otherwise]
            do looped
        """,
    ),
    "a condition that is a step": (
        'while await step.do("more?", f):\n    await step.do("work", f)',
        "loop while ‹more?›\n[]\ndo more?\ndo work",
    ),
    "code without steps is not shown": (
        """
        total = 0
        for x in xs:
            if x:
                total += x
                break
        with open("x") as file:
            print(file)
        await step.do("only", f)
        """,
        "do only",
    ),
    "a function of the workflow, and one inside of run": (
        """
        async def nested(n):
            await step.do(f"nested {n}", f)
        await self.pair(step)
        await asyncio.gather(nested(1), nested(2))
        """,
        "do first\ndo second\nparallel\n[]\ndo nested {n}\n[]\ndo nested {n}",
    ),
    "a name that is given to a function": (
        """
        await self.named(step, "given")
        """,
        "sleep given (3 days)",
    ),
    "an async generator": (
        "async for page in self.pages(step):\n    await step.do('page', f)",
        """
        loop each page of self.pages(step)
          []
            loop while True
              []
                do fetch-page
            do page
        """,
    ),
    "aliases": (
        """
        do, again = step.do, functools.partial(step.do, "partial", f)
        await do("aliased", f)
        await again(1)
        await (lambda: step.do("lambda", f))()
        """,
        "do aliased\ndo partial\ndo lambda",
    ),
    "step kept on an object": (
        """
        self.step = step
        await self.kept()
        helper = Helper(step)
        await helper.help()
        """,
        "do kept\ndo helped",
    ),
    "children": (
        """
        await step.child("c", Other, {"a": 1}, detach=True)
        await step.child("d", "some-workflow")
        """,
        "child c (other, not waited for)\nchild d (some-workflow)",
    ),
    "nothing comes after continue-as-new": (
        'step.continue_as_new(1)\nawait step.do("never", f)',
        "end continue as new",
    ),
    "nothing comes after return": (
        'await step.do("a", f)\nreturn 1\nawait step.do("never", f)',
        "do a",
    ),
    "a patched place": (
        'if step.patched("new"):\n    await step.do("new", f)',
        "branch\n[step.patched('new')]\ndo new\n[otherwise]",
    ),
}
MORE = (
    PAIR
    + """
async def named(self, step, name, within="3 days"):
    await step.sleep(name, within)

async def pages(self, step):
    while True:
        yield await step.do("fetch-page", f)

async def kept(self):
    await self.step.do("kept", f)
"""
)
OTHERS = """

class Other(Workflow):
    async def run(self, event, step):
        pass


class Helper:
    def __init__(self, step):
        self._step = step

    async def help(self):
        await self._step.do("helped", f)
"""
