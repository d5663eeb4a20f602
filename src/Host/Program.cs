Console.WriteLine("marrow");
